//! One VM: the instantiated module, the functions it exports, and what its host functions work on.

pub(crate) mod callouts;
pub(crate) mod state;
pub(crate) mod stream;

use std::time::Duration;

use wasmtime::{Instance, Store, TypedFunc};

pub(crate) use state::State;

use crate::host::log::LogLevel;
use crate::module::EPOCH;
use crate::{Module, StreamId};

type Fn1<R> = Option<TypedFunc<u32, R>>;
type Fn2<R> = Option<TypedFunc<(u32, u32), R>>;
type Fn5<R> = Option<TypedFunc<(u32, u32, u32, u32, u32), R>>;
type Fn3<R> = Option<TypedFunc<(u32, u32, u32), R>>;

/// The callbacks that a module may export; a missing one means "continue".
#[derive(Default)]
pub(crate) struct Exports {
    pub(crate) on_context_create: Fn2<()>,
    pub(crate) on_vm_start: Fn2<u32>,
    pub(crate) on_configure: Fn2<u32>,
    pub(crate) on_tick: Fn1<()>,
    pub(crate) on_queue_ready: Fn2<()>,
    pub(crate) on_request_headers: Fn3<u32>,
    pub(crate) on_request_body: Fn3<u32>,
    pub(crate) on_request_trailers: Fn2<u32>,
    pub(crate) on_response_headers: Fn3<u32>,
    pub(crate) on_response_body: Fn3<u32>,
    pub(crate) on_response_trailers: Fn2<u32>,
    pub(crate) on_http_call_response: Fn5<()>,
    pub(crate) on_grpc_initial_metadata: Fn3<()>,
    pub(crate) on_grpc_receive: Fn3<()>,
    pub(crate) on_grpc_trailing_metadata: Fn3<()>,
    pub(crate) on_grpc_close: Fn3<()>,
    pub(crate) on_done: Fn1<u32>,
    pub(crate) on_log: Fn1<()>,
    pub(crate) on_delete: Fn1<()>,
}

/// The VM trapped, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

pub(crate) struct Vm {
    pub(crate) store: Store<State>,
    pub(crate) exports: Exports,
    failed: bool,
    /// The time budget of one call, in epochs.
    epochs: u64,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("failed", &self.failed).field("state", self.store.data()).finish_non_exhaustive()
    }
}

impl Vm {
    /// Instantiates the module, runs its initialisers, starts and configures the root context. There is a VM even if that
    /// fails, since streams of an earlier VM may live in its state; it counts as failed.
    pub(crate) fn start(module: &Module, state: State) -> (Self, Result<(), String>) {
        let engine = module.pre().module().engine();
        let epochs = epochs(state.config.limits.call_time);
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limits);
        let mut vm = Self { store, exports: Exports::default(), failed: false, epochs };
        let started = vm.boot(module);
        match started {
            Ok(()) => vm.state().host.count_vm_start(),
            Err(_) => vm.failed = true,
        }
        (vm, started)
    }

    fn boot(&mut self, module: &Module) -> Result<(), String> {
        self.store.set_epoch_deadline(self.epochs);
        let instance = module.pre().instantiate(&mut self.store).map_err(|error| format!("{error:#}"))?;
        let memory = instance.get_memory(&mut self.store, "memory").ok_or("the module exports no memory")?;
        let allocate = match self.export(&instance, "malloc")? {
            Some(malloc) => malloc,
            None => self.export(&instance, "proxy_on_memory_allocate")?.ok_or("the module exports no allocator")?,
        };
        let state = self.store.data_mut();
        state.memory = Some(memory);
        state.allocate = Some(allocate);
        self.exports = self.find_exports(&instance)?;

        if let Some(initialize) = self.export::<(), ()>(&instance, "_initialize")? {
            self.run("_initialize", 0, &initialize, ()).map_err(|Failed| "_initialize trapped")?;
            if let Some(main) = self.export::<(u32, u32), u32>(&instance, "main")? {
                self.run("main", 0, &main, (0, 0)).map_err(|Failed| "main trapped")?;
            }
        } else if let Some(start) = self.export::<(), ()>(&instance, "_start")? {
            self.run("_start", 0, &start, ()).map_err(|Failed| "_start trapped")?;
        }
        self.configure()
    }

    fn configure(&mut self) -> Result<(), String> {
        let state = self.store.data_mut();
        let root = state.new_context_id();
        state.root = root;
        let vm_size = abi_len(state.config.vm_configuration.len());
        let plugin_size = abi_len(state.config.configuration.len());
        if let Some(create) = self.exports.on_context_create.clone() {
            self.run("proxy_on_context_create", root, &create, (root, 0))
                .map_err(|Failed| "context creation trapped")?;
        }
        if let Some(on_start) = self.exports.on_vm_start.clone()
            && self
                .run("proxy_on_vm_start", root, &on_start, (root, vm_size))
                .map_err(|Failed| "proxy_on_vm_start trapped")?
                == 0
        {
            return Err("the module refused to start (proxy_on_vm_start)".to_owned());
        }
        if let Some(on_configure) = self.exports.on_configure.clone() {
            self.store.data_mut().configuring = true;
            let answer = self.run("proxy_on_configure", root, &on_configure, (root, plugin_size));
            self.store.data_mut().configuring = false;
            if answer.map_err(|Failed| "proxy_on_configure trapped")? == 0 {
                return Err("the module refused its configuration (proxy_on_configure)".to_owned());
            }
        }
        Ok(())
    }

    fn find_exports(&mut self, instance: &Instance) -> Result<Exports, String> {
        Ok(Exports {
            on_context_create: self.export(instance, "proxy_on_context_create")?,
            on_vm_start: self.export(instance, "proxy_on_vm_start")?,
            on_configure: self.export(instance, "proxy_on_configure")?,
            on_tick: self.export(instance, "proxy_on_tick")?,
            on_queue_ready: self.export(instance, "proxy_on_queue_ready")?,
            on_request_headers: self.export(instance, "proxy_on_request_headers")?,
            on_request_body: self.export(instance, "proxy_on_request_body")?,
            on_request_trailers: self.export(instance, "proxy_on_request_trailers")?,
            on_response_headers: self.export(instance, "proxy_on_response_headers")?,
            on_response_body: self.export(instance, "proxy_on_response_body")?,
            on_response_trailers: self.export(instance, "proxy_on_response_trailers")?,
            on_http_call_response: self.export(instance, "proxy_on_http_call_response")?,
            on_grpc_initial_metadata: self.export(instance, "proxy_on_grpc_receive_initial_metadata")?,
            on_grpc_receive: self.export(instance, "proxy_on_grpc_receive")?,
            on_grpc_trailing_metadata: self.export(instance, "proxy_on_grpc_receive_trailing_metadata")?,
            on_grpc_close: self.export(instance, "proxy_on_grpc_close")?,
            on_done: self.export(instance, "proxy_on_done")?,
            on_log: self.export(instance, "proxy_on_log")?,
            on_delete: self.export(instance, "proxy_on_delete")?,
        })
    }

    fn export<P, R>(&mut self, instance: &Instance, name: &str) -> Result<Option<TypedFunc<P, R>>, String>
    where
        P: wasmtime::WasmParams,
        R: wasmtime::WasmResults,
    {
        match instance.get_func(&mut self.store, name) {
            None => Ok(None),
            Some(func) => func.typed(&self.store).map(Some).map_err(|error| format!("export {name}: {error:#}")),
        }
    }

    /// Calls into the module on behalf of a context. A trap poisons the VM: it is logged, counted, and every later call
    /// fails without being made.
    pub(crate) fn run<P, R>(&mut self, name: &str, context: u32, func: &TypedFunc<P, R>, params: P) -> Result<R, Failed>
    where
        P: wasmtime::WasmParams,
        R: wasmtime::WasmResults,
    {
        if self.failed {
            return Err(Failed);
        }
        self.store.set_epoch_deadline(self.epochs);
        let state = self.store.data_mut();
        state.current = context;
        state.effective = 0;
        state.stopping = false;
        func.call(&mut self.store, params).map_err(|error| {
            self.failed = true;
            let state = self.store.data();
            state.host.count_vm_failure();
            state.log(LogLevel::Critical, format!("Function: {name} failed: {error:?}"));
            Failed
        })
    }

    /// The size of the linear memory; 0 where the VM has not started.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.state().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn state(&self) -> &State {
        self.store.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut State {
        self.store.data_mut()
    }

    pub(crate) fn stream(&mut self, id: StreamId) -> Option<&mut stream::Stream> {
        self.store.data_mut().streams.get_mut(&context(id))
    }
}

/// The context id a stream has in the module.
pub(crate) fn context(id: StreamId) -> u32 {
    id.0
}

/// A length as the ABI has it. Nothing that the host holds reaches 4 GiB.
pub(crate) fn abi_len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn epochs(time: Duration) -> u64 {
    let ticks = time.as_nanos().checked_div(EPOCH.as_nanos()).unwrap_or_default();
    // The current epoch is already under way: without the extra one a budget of one could end at once.
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
}
