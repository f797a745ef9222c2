//! What the host functions of a VM work on. A stream outlives the VM that served it, so a reload carries it over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::{Memory, StoreLimits, StoreLimitsBuilder, TypedFunc};

use super::callouts::Callouts;
use super::stream::{Direction, Stream};
use crate::host::log::{LogLevel, LogLine};
use crate::host::metrics::MetricKind;
use crate::{Event, HeaderMap, Host, PluginConfig};

/// What a host function asks for that can only be done when the module has returned.
#[derive(Debug)]
pub(crate) enum Action {
    /// `proxy_continue_stream`
    Continue(u32, Direction),
    /// `proxy_close_stream`
    Close(u32),
    /// `proxy_send_local_response`
    Reply(u32, LocalReply),
    /// The host's own reply to too much of a body.
    Overflow(u32, LocalReply),
}

/// A response that does not come from the upstream.
#[derive(Debug, Clone)]
pub(crate) struct LocalReply {
    pub(crate) status: u32,
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) details: String,
}

pub(crate) struct State {
    pub(crate) host: Host,
    pub(crate) config: Arc<PluginConfig>,
    pub(crate) limits: StoreLimits,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// Which VM of the worker this is.
    pub(crate) generation: u32,
    /// The root context.
    pub(crate) root: u32,
    /// The context that is being called.
    pub(crate) current: u32,
    /// The context that `proxy_set_effective_context` put in its place; 0 for none.
    pub(crate) effective: u32,
    /// A local response was asked for: whatever the callback returns, nothing goes on.
    pub(crate) stopping: bool,
    /// The plugin configuration can be read.
    pub(crate) configuring: bool,
    pub(crate) streams: BTreeMap<u32, Stream>,
    last_context: u32,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) callouts: Callouts,
    pub(crate) tick_period: Option<Duration>,
    pub(crate) next_tick: Option<Duration>,
    /// Queues this VM has registered, with how many values had been put there when the module was last told.
    pub(crate) queues: BTreeMap<u32, u64>,
    metrics: Vec<(MetricKind, String)>,
    /// Lines of the start, for the error if it fails.
    pub(crate) start_logs: std::cell::RefCell<Option<Vec<LogLine>>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("streams", &self.streams).field("events", &self.events).finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(host: Host, config: Arc<PluginConfig>) -> Self {
        Self {
            host,
            limits: limits(&config),
            config,
            memory: None,
            allocate: None,
            generation: 0,
            root: 0,
            current: 0,
            effective: 0,
            stopping: false,
            configuring: false,
            streams: BTreeMap::new(),
            last_context: 0,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            callouts: Callouts::default(),
            tick_period: None,
            next_tick: None,
            queues: BTreeMap::new(),
            metrics: Vec::new(),
            start_logs: std::cell::RefCell::new(Some(Vec::new())),
        }
    }

    /// The state for the VM that takes this one's place: streams and undelivered events stay, calls are cancelled.
    pub(crate) fn succeed(&mut self) -> Self {
        self.callouts.cancel_all(&mut self.events);
        let mut next = Self::new(self.host.clone(), Arc::clone(&self.config));
        next.generation = self.generation.wrapping_add(1);
        next.streams = std::mem::take(&mut self.streams);
        next.last_context = self.last_context;
        next.events = std::mem::take(&mut self.events);
        next.callouts = std::mem::take(&mut self.callouts);
        next
    }

    /// Is there a reply to a stream already, for when the module has returned? The first one counts.
    pub(crate) fn replying(&self, context: u32) -> bool {
        self.actions.iter().any(
            |action| matches!(action, Action::Reply(stream, _) | Action::Overflow(stream, _) if *stream == context),
        )
    }

    /// The context that a host function acts on.
    pub(crate) fn context(&self) -> u32 {
        if self.effective != 0 && self.knows(self.effective) { self.effective } else { self.current }
    }

    pub(crate) fn knows(&self, context: u32) -> bool {
        context == self.root || self.streams.contains_key(&context)
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.context())
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context)
    }

    /// A context id that no stream has.
    pub(crate) fn new_context_id(&mut self) -> u32 {
        loop {
            self.last_context = self.last_context.wrapping_add(1);
            if self.last_context != 0
                && self.last_context != self.root
                && !self.streams.contains_key(&self.last_context)
            {
                return self.last_context;
            }
        }
    }

    /// Queues into which something was put since the module was last told, with how many values ever were.
    pub(crate) fn filled_queues(&self) -> impl Iterator<Item = (u32, u64)> {
        let queues = self.queues.iter().map(|(token, told)| (*token, *told, self.host.queues().enqueued(*token)));
        queues.filter(|(_, told, enqueued)| told < enqueued).map(|(token, _, enqueued)| (token, enqueued))
    }

    pub(crate) fn log(&self, level: LogLevel, message: String) {
        let config = &self.config;
        // Envoy names the plugin only in what a stream says.
        let name = if self.stream().is_some() { config.name.as_str() } else { "" };
        let parts = [name, config.root_id.as_str(), config.vm_id.as_str()];
        let plugin: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let line = LogLine { level, plugin: plugin.join(" "), message };
        if let Some(lines) = self.start_logs.borrow_mut().as_mut() {
            lines.push(line.clone());
        }
        self.host.log_store().push(line);
    }

    /// A new id for a metric; the kind is in its two lowest bits, as in Envoy.
    pub(crate) fn define_metric(&mut self, kind: MetricKind, name: &str) -> u32 {
        self.host.metric_store().define(kind, name);
        self.metrics.push((kind, name.to_owned()));
        let number = u32::try_from(self.metrics.len()).unwrap_or(u32::MAX >> 2);
        (number << 2) | kind as u32
    }

    pub(crate) fn metric(&self, id: u32) -> Option<(MetricKind, &str)> {
        let index = usize::try_from(id >> 2).ok()?.checked_sub(1)?;
        let (kind, name) = self.metrics.get(index)?;
        (*kind as u32 == id & 3).then_some((*kind, name.as_str()))
    }
}

fn limits(config: &PluginConfig) -> StoreLimits {
    StoreLimitsBuilder::new().memory_size(config.limits.memory_bytes).build()
}
