//! The functions a module may import: the proxy-wasm ABI 0.2.1 and the WASI calls that Envoy answers.
//!
//! Behaviour follows proxy-wasm-cpp-host (`src/exports.cc`) and Envoy (`source/extensions/common/wasm/context.cc`), quirks
//! included. What Envoy has and this host does not traps with a message; it never does nothing silently.

mod body;
mod calls;
mod control;
mod fields;
mod metrics;
mod pairs;
mod properties;
mod shared;
mod wasi;

use bytes::Bytes;
use wasmtime::{AsContextMut, Caller, Linker};

use crate::vm::{State, abi_len};

/// What a host call answers, by the ABI's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    ParseFailure = 4,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    Unimplemented = 12,
}

/// Why a host call did not succeed.
pub(crate) enum Fault {
    /// The module is told.
    Status(Status),
    /// The module is stopped.
    Trap(wasmtime::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

pub(crate) type Answer<T = ()> = Result<T, Fault>;

/// The number the module gets.
fn answer(result: Answer) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Fault::Status(status)) => Ok(status as u32),
        Err(Fault::Trap(error)) => Err(error),
    }
}

/// The caller's memory and state, as a host function uses them.
struct Guest<'a>(Caller<'a, State>);

impl Guest<'_> {
    fn state(&self) -> &State {
        self.0.data()
    }

    fn state_mut(&mut self) -> &mut State {
        self.0.data_mut()
    }

    fn slice(&self, start: u32, len: u32) -> Answer<&[u8]> {
        let memory = self.state().memory.ok_or(Status::InvalidMemoryAccess)?;
        let start = usize::try_from(start).map_err(|_| Status::InvalidMemoryAccess)?;
        let len = usize::try_from(len).map_err(|_| Status::InvalidMemoryAccess)?;
        let end = start.checked_add(len).ok_or(Status::InvalidMemoryAccess)?;
        memory.data(&self.0).get(start..end).ok_or(Status::InvalidMemoryAccess.into())
    }

    fn read(&self, start: u32, len: u32) -> Answer<Bytes> {
        self.slice(start, len).map(Bytes::copy_from_slice)
    }

    /// Text from the module; what is not UTF-8 is replaced, as it only names things.
    fn text(&self, start: u32, len: u32) -> Answer<String> {
        self.slice(start, len).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn read_u32(&self, start: u32) -> Answer<u32> {
        let bytes: [u8; 4] = self.slice(start, 4)?.try_into().map_err(|_| Status::InvalidMemoryAccess)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn write(&mut self, start: u32, bytes: &[u8]) -> Answer {
        let memory = self.state().memory.ok_or(Status::InvalidMemoryAccess)?;
        let start = usize::try_from(start).map_err(|_| Status::InvalidMemoryAccess)?;
        memory.write(&mut self.0, start, bytes).map_err(|_| Status::InvalidMemoryAccess.into())
    }

    fn write_u32(&mut self, start: u32, value: u32) -> Answer {
        self.write(start, &value.to_le_bytes())
    }

    fn write_u64(&mut self, start: u32, value: u64) -> Answer {
        self.write(start, &value.to_le_bytes())
    }

    /// Hands bytes to the module in memory that it allocates, and tells it where. Nothing is allocated for no bytes.
    fn give(&mut self, bytes: &[u8], pointer_at: u32, length_at: u32) -> Answer {
        let len = abi_len(bytes.len());
        let mut pointer = 0;
        if len > 0 {
            let allocate = self.state().allocate.clone().ok_or(Status::InvalidMemoryAccess)?;
            pointer = allocate.call(self.0.as_context_mut(), len)?;
            if pointer == 0 {
                return Err(Status::InvalidMemoryAccess.into());
            }
            self.write(pointer, bytes)?;
        }
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(length_at, len)
    }

    /// Stops the module because of something Envoy can do and this host cannot.
    fn unimplemented<T>(&self, what: &str) -> Answer<T> {
        self.state().host.count_unimplemented();
        Err(Fault::Trap(wasmtime::Error::msg(format!("this host does not implement {what}"))))
    }
}

/// Defines host functions and keeps their names.
pub(crate) struct Imports<'a> {
    linker: &'a mut Linker<State>,
    names: Vec<(&'static str, &'static str)>,
}

/// `import!(imports, "module", "name" => |guest, a: u32| expression of type Answer)`
macro_rules! import {
    ($imports:ident, $module:literal, $name:literal => |$guest:ident $(, $arg:ident : $ty:ty)*| $body:expr) => {
        $imports.linker.func_wrap(
            $module,
            $name,
            |caller: wasmtime::Caller<'_, $crate::vm::State> $(, $arg: $ty)*| -> wasmtime::Result<u32> {
                let $guest = &mut $crate::abi::Guest(caller);
                let _ = &$guest;
                $crate::abi::answer($body)
            },
        )?;
        $imports.names.push(($module, $name));
    };
}
use import;

/// Adds every function to a linker; returns their modules and names.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<Vec<(&'static str, &'static str)>> {
    let mut imports = Imports { linker, names: Vec::new() };
    control::define(&mut imports)?;
    fields::define(&mut imports)?;
    body::define(&mut imports)?;
    properties::define(&mut imports)?;
    shared::define(&mut imports)?;
    metrics::define(&mut imports)?;
    calls::define(&mut imports)?;
    wasi::define(&mut imports)?;
    Ok(imports.names)
}
