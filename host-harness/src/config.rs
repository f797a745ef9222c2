//! How a plugin is configured: the fields of Envoy's `PluginConfig` and `VmConfig` that change behaviour.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

/// One plugin in one place of a proxy, as Envoy's `envoy.extensions.wasm.v3.PluginConfig` describes it.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// The name in log lines and in the property `plugin_name`.
    pub name: String,
    /// Which root context of the module runs (Istio's `pluginName`).
    pub root_id: String,
    /// The namespace of shared data and queues; Istio leaves it empty.
    pub vm_id: String,
    /// Read by the module when the VM starts.
    pub vm_configuration: Bytes,
    /// Read by the module when it is configured; for `meshward.wasm` its JSON document.
    pub configuration: Bytes,
    /// `Pause` from a headers callback holds only the headers, and body callbacks run (Envoy 1.35 and later).
    /// Otherwise it stops everything behind the headers, too.
    pub allow_on_headers_stop_iteration: bool,
    /// What later streams get when the VM has trapped.
    pub failure_policy: FailurePolicy,
    /// With [`FailurePolicy::Reload`]: the shortest time between two new VMs.
    pub reload_backoff: Duration,
    /// How much of a body is buffered, in bytes, before Envoy answers 413 (request) or 500 (response).
    pub buffer_limit: usize,
    /// What the VM may use.
    pub limits: VmLimits,
    /// The environment the module sees.
    pub environment: BTreeMap<String, String>,
    /// Names of the clusters that HTTP and gRPC calls may go to; a call to another one fails with `BadArgument`.
    pub clusters: Vec<String>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            root_id: String::new(),
            vm_id: String::new(),
            vm_configuration: Bytes::new(),
            configuration: Bytes::new(),
            allow_on_headers_stop_iteration: false,
            failure_policy: FailurePolicy::Closed,
            reload_backoff: Duration::from_secs(1),
            buffer_limit: 1024 * 1024,
            limits: VmLimits::default(),
            environment: BTreeMap::new(),
            clusters: Vec::new(),
        }
    }
}

/// What happens to streams that come after a trap of their worker's VM. The stream in which it trapped gets a 503
/// whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// They get a 503, for as long as the worker lives.
    #[default]
    Closed,
    /// They pass without the plugin.
    Open,
    /// The next one starts a new VM; within the back-off of the last one they get a 503.
    Reload,
}

/// Bounds of one VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmLimits {
    /// Linear memory, in bytes; growing beyond it fails inside the module (an abort, in Rust).
    pub memory_bytes: usize,
    /// Wall-clock time of one call into the module; beyond it the call traps. Measured in steps of 10 ms.
    pub call_time: Duration,
}

impl Default for VmLimits {
    fn default() -> Self {
        Self { memory_bytes: 256 * 1024 * 1024, call_time: Duration::from_secs(1) }
    }
}
