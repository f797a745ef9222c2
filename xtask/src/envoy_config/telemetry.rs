//! What an operator sees in Istio is what the sidecar that is observed shows.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Files, MESH_CONFIG, OBSERVED, SIDECAR, SPANS_FILTER, TELEMETRY, at, set};

/// The sidecar's connection manager.
const SIDECAR_MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
/// The one that decides in the bootstrap with all that an operator wants to see.
const OBSERVED_MANAGER: &str = "/static_resources/listeners/1/filter_chains/0/filters/0/typed_config";

impl Files {
    /// The policy where all is observed is that of the other files.
    pub(super) fn check_observed_policy(&self) -> Result<()> {
        let policy = |document: &Value, place: String, file| -> Result<Value> {
            let text = at(document, &place, file)?.as_str().unwrap_or_default();
            Ok(at(&serde_json::from_str(text)?, "/policy", file)?.clone())
        };
        let plugin = "/http_filters/0/typed_config/config/configuration/value";
        let observed = policy(&self.observed, format!("{OBSERVED_MANAGER}{plugin}"), OBSERVED)?;
        let plain = policy(&self.sidecar, format!("{SIDECAR_MANAGER}{plugin}"), SIDECAR)?;
        ensure!(observed == plain, "{OBSERVED} carries another policy than {SIDECAR}");
        Ok(())
    }

    /// What is logged, what spans are named and labelled with, and which labels metrics have, is in Istio what it is in the sidecar.
    pub(super) fn check_telemetry(&self) -> Result<()> {
        let ours = self.as_istio_makes_it()?;
        let manager = at(&self.observed, OBSERVED_MANAGER, OBSERVED)?;
        for place in [
            "/access_log/0/filter",
            "/access_log/0/typed_config",
            "/tracing/operation",
            "/tracing/custom_tags",
            "/tracing/random_sampling",
        ] {
            let (istio, sidecar) = (at(&ours, place, TELEMETRY)?, at(manager, place, OBSERVED)?);
            ensure!(istio == sidecar, "{place}: with Istio's files {istio}, in {OBSERVED} {sidecar}");
        }
        let tags = at(&self.mesh_config, "/meshConfig/defaultConfig/extraStatTags", MESH_CONFIG)?;
        let regex = |tag: &Value| Value::from(format!(r"({}=\.=(.*?);\.;)", tag.as_str().unwrap_or_default()));
        let istio: Vec<_> = tags.as_array().into_iter().flatten().map(regex).collect();
        let tags = at(&self.observed, "/stats_config/stats_tags", OBSERVED)?;
        let sidecar: Vec<_> =
            tags.as_array().into_iter().flatten().filter_map(|tag| tag.get("regex").cloned()).collect();
        ensure!(istio == sidecar, "{MESH_CONFIG} has other labels than {OBSERVED}");
        Ok(())
    }

    /// What Istio makes of its files in a connection manager, as far as they say it: `access_log`, `tracing`, and the filter in
    /// front of all others.
    fn as_istio_makes_it(&self) -> Result<Value> {
        let provider = |name: &Value| -> Result<&Value> {
            let providers = at(&self.mesh_config, "/meshConfig/extensionProviders", MESH_CONFIG)?;
            let providers = providers.as_array().context("no list of providers")?;
            let found = providers.iter().find(|provider| provider.get("name") == Some(name));
            found.with_context(|| format!("{MESH_CONFIG} has no provider {name}"))
        };
        let named = |section: &str| at(&self.telemetry, &format!("/spec/{section}/0/providers/0/name"), TELEMETRY);
        let log = provider(named("accessLogging")?)?;
        at(provider(named("tracing")?)?, "/opentelemetry", MESH_CONFIG)?;
        let tags = at(&self.telemetry, "/spec/tracing/0/customTags", TELEMETRY)?;
        let mut tags: Vec<_> = tags
            .as_object()
            .into_iter()
            .flatten()
            .map(|(tag, value)| json!({ "tag": tag, "value": value.pointer("/formatter/value") }))
            .collect();
        // Istio sorts them by name; what a span is labelled with has no order.
        let order = at(&self.observed, &format!("{OBSERVED_MANAGER}/tracing/custom_tags"), OBSERVED)?;
        let place = |tag: &Value| {
            order.as_array().and_then(|order| order.iter().position(|own| own.get("tag") == tag.get("tag")))
        };
        tags.sort_by_key(place);
        Ok(json!({
            "access_log": [{
                "name": "meshward.audit",
                "filter": { "extension_filter": {
                    "name": "envoy.access_loggers.extension_filters.cel",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                        "expression": at(&self.telemetry, "/spec/accessLogging/0/filter/expression", TELEMETRY)?,
                    },
                } },
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": at(log, "/envoyFileAccessLog/path", MESH_CONFIG)?,
                    "log_format": { "text_format_source": {
                        "inline_string": at(log, "/envoyFileAccessLog/logFormat/text", MESH_CONFIG)?,
                    } },
                },
            }],
            "tracing": {
                "random_sampling": { "value": at(&self.telemetry, "/spec/tracing/0/randomSamplingPercentage", TELEMETRY)? },
                "operation": at(&self.spans_filter, "/spec/configPatches/1/patch/value/typed_config/tracing/operation", SPANS_FILTER)?,
                "custom_tags": tags,
            },
            "first": at(&self.spans_filter, "/spec/configPatches/0/patch/value", SPANS_FILTER)?,
        }))
    }
}

/// The sidecar with what Istio makes of its files for logs and spans, and a tracer.
pub(super) fn observed_by_istio(files: &Files) -> Result<Value> {
    let mut bootstrap = files.sidecar.clone();
    let mut ours = files.as_istio_makes_it()?;
    let provider = at(&files.observed, &format!("{OBSERVED_MANAGER}/tracing/provider"), OBSERVED)?.clone();
    ours.pointer_mut("/tracing")
        .and_then(Value::as_object_mut)
        .context("no tracing")?
        .insert("provider".into(), provider);
    let clusters = at(&files.observed, "/static_resources/clusters", OBSERVED)?.clone();
    set(&mut bootstrap, "/static_resources/clusters", clusters)?;
    let manager =
        bootstrap.pointer_mut(SIDECAR_MANAGER).and_then(Value::as_object_mut).context("no connection manager")?;
    for member in ["access_log", "tracing"] {
        manager.insert(member.to_owned(), at(&ours, &format!("/{member}"), TELEMETRY)?.clone());
    }
    let filters = manager.get_mut("http_filters").and_then(Value::as_array_mut).context("no filters")?;
    filters.insert(0, at(&ours, "/first", SPANS_FILTER)?.clone());
    Ok(bootstrap)
}
