//! What a VM costs in memory: Envoys with one worker and with several, each worker with a VM of its own.

use std::{path::Path, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    policies,
    proxies::{Envoy, Proxy, Variant},
};
use crate::workspace::Workspace;

/// Workers, and so VMs, of the larger Envoy beyond the one of the smaller.
const MORE: usize = 8;

/// Resident memory that one more worker takes, in KiB.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    name: String,
    per_worker_kib: f64,
    /// Without what a worker of the plain Envoy takes.
    per_vm_kib: f64,
}

/// Measures the plain Envoy and Meshward with few rules and with many.
pub(crate) fn measure(workspace: &Workspace, envoy: &Envoy, module: &Path, directory: &Path) -> Result<Vec<Memory>> {
    let with = |name: &str, rules| Variant::with_policy(name, module, policies::of_rules(rules));
    let variants = [Variant::plain(), with("meshward, 10 rules", 10), with("meshward, 1,000 rules", 1_000)];
    let mut figures: Vec<Memory> = Vec::new();
    for variant in &variants {
        let resident = |workers| -> Result<f64> {
            let proxy = Proxy::start(workspace, envoy, variant, workers, 1, directory)?;
            // Ready is what the main thread is; the workers follow.
            std::thread::sleep(Duration::from_secs(1));
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            Ok(proxy.memory()? as f64)
        };
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let per_worker_kib = (resident(MORE.saturating_add(1))? - resident(1)?) / MORE as f64;
        let plain = figures.first().map_or(per_worker_kib, |plain| plain.per_worker_kib);
        figures.push(Memory { name: variant.name().to_owned(), per_worker_kib, per_vm_kib: per_worker_kib - plain });
    }
    Ok(figures)
}

/// A line for each.
pub(crate) fn lines(figures: &[Memory]) -> String {
    let line = |figure: &Memory| {
        format!(
            "  {:24} {:8.2} MiB a worker  {:8.2} MiB a VM\n",
            figure.name,
            figure.per_worker_kib / 1024.0,
            figure.per_vm_kib / 1024.0
        )
    };
    figures.iter().map(line).collect()
}
