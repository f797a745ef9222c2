//! The functions a module may import.

use wasmtime::Linker;

use crate::vm::State;

/// Adds the functions to a linker.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let _ = linker;
    Ok(())
}

/// Module and name of each function.
pub(crate) fn names() -> Vec<(String, String)> {
    Vec::new()
}
