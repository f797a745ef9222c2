//! A compiled module: bytes in, machine code out, with a list of what it imports and exports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Engine, InstancePre, Linker, OptLevel};

use crate::abi;
use crate::vm::State;

/// How often the epoch moves on, by which calls that take too long are stopped.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// What the compiler should spare: time now or time later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Optimize {
    /// Compile as fast as possible. For tests.
    #[default]
    Compile,
    /// Compile so that the module runs fast. For a proxy that runs for long.
    Run,
}

/// A proxy-wasm module, compiled once and checked against the ABI. Clones share the code.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    pre: InstancePre<State>,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Why a module cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no valid WebAssembly, or imports a known function with another signature.
    #[error("not a usable WebAssembly module: {0}")]
    Invalid(String),
    /// It imports functions that this host does not have.
    #[error("the module imports what this host does not have: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// It does not say that it speaks ABI 0.2.0 or 0.2.1.
    #[error("the module exports neither proxy_abi_version_0_2_0 nor proxy_abi_version_0_2_1")]
    AbiVersion,
    /// It lacks a function that the host cannot do without.
    #[error("the module exports neither proxy_on_memory_allocate nor malloc")]
    NoAllocator,
}

impl Module {
    /// Compiles a module, sparing compile time.
    ///
    /// # Errors
    /// When the bytes are no module, or one that this host cannot run.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModuleError> {
        Self::compile(bytes, Optimize::Compile)
    }

    /// Reads and compiles a file.
    ///
    /// # Errors
    /// When the file cannot be read, is no module, or is one that this host cannot run.
    pub fn from_file(path: impl AsRef<Path>, optimize: Optimize) -> Result<Self, ModuleError> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|source| ModuleError::Read { path: path.display().to_string(), source })?;
        Self::compile(&bytes, optimize)
    }

    /// Compiles a module.
    ///
    /// # Errors
    /// When the bytes are no module, or one that this host cannot run.
    pub fn compile(bytes: &[u8], optimize: Optimize) -> Result<Self, ModuleError> {
        let mut config = Config::new();
        config.cranelift_opt_level(match optimize {
            Optimize::Compile => OptLevel::None,
            Optimize::Run => OptLevel::Speed,
        });
        config.epoch_interruption(true);
        let invalid = |error: wasmtime::Error| ModuleError::Invalid(format!("{error:#}"));
        let engine = Engine::new(&config).map_err(invalid)?;
        let module = wasmtime::Module::new(&engine, bytes).map_err(invalid)?;

        let exports: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
        let exports_any = |names: &[&str]| exports.iter().any(|export| names.contains(&export.as_str()));
        if !exports_any(&["proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"]) {
            return Err(ModuleError::AbiVersion);
        }
        if !exports_any(&["proxy_on_memory_allocate", "malloc"]) {
            return Err(ModuleError::NoAllocator);
        }

        let mut linker = Linker::new(&engine);
        let known = abi::define(&mut linker).map_err(invalid)?;
        let unknown: Vec<String> = module
            .imports()
            .filter(|import| !known.contains(&(import.module(), import.name())))
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        if !unknown.is_empty() {
            return Err(ModuleError::UnknownImports(unknown));
        }
        let imports = module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
        let pre = linker.instantiate_pre(&module).map_err(invalid)?;
        start_epochs(&engine);
        Ok(Self { inner: Arc::new(Inner { pre, imports, exports }) })
    }

    /// What the module imports, as `module.name`.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// The names of what the module exports.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.inner.exports
    }

    pub(crate) fn pre(&self) -> &InstancePre<State> {
        &self.inner.pre
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("imports", &self.inner.imports).finish_non_exhaustive()
    }
}

/// Moves the engine's epoch on until the engine is gone.
///
/// Epochs rather than fuel: fuel costs a subtraction in every block and its unit says nothing to an operator; an epoch
/// costs a load and a compare on loop heads, and bounds wall-clock time, which is what a blocked worker loses.
fn start_epochs(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(EPOCH);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    });
}
