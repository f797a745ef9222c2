//! Checks `envoy-config/`: one policy in every file, header hold set consistently, Istio's schemas, Grafana's types, and a real
//! Envoy that loads each filter with the module.

mod telemetry;

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{command, module, tools, workspace::Workspace};

/// The npm project that brings Istio's schemas and Grafana's types.
pub(crate) const NODE_PROJECT: &str = "envoy-config";
/// The bootstrap that the tests, the demonstration and the benchmark load.
pub(crate) const SIDECAR: &str = "envoy-config/envoy/sidecar-inbound.yaml";
const TRAFFIC_EXTENSION: &str = "envoy-config/istio/traffic-extension.yaml";
const WASM_PLUGIN: &str = "envoy-config/istio/wasm-plugin.yaml";
const DASHBOARDS: &str = "envoy-config/grafana";
const ENVOY_FILTER: &str = "envoy-config/istio/envoy-filter-header-hold.yaml";
/// The bootstrap with all that an operator wants to see.
const OBSERVED: &str = "envoy-config/envoy/sidecar-observed.yaml";
const TELEMETRY: &str = "envoy-config/istio/telemetry.yaml";
const MESH_CONFIG: &str = "envoy-config/istio/mesh-config.yaml";
const SPANS_FILTER: &str = "envoy-config/istio/envoy-filter-spans.yaml";

/// What the header of the sidecar's file promises to stand once below it.
const REPLACEABLE: &[&str] = &[
    "port_value: 10000",
    "port_value: 8080",
    "port_value: 9901",
    "filename: target/meshward/meshward.wasm",
    "allow_on_headers_stop_iteration: true",
    "\"header_hold\": true",
];

/// The Wasm filter of the sidecar's bootstrap.
const SIDECAR_FILTER: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config";
/// The same in the EnvoyFilter's first patch.
const ENVOY_FILTER_FILTER: &str = "/spec/configPatches/0/patch/value/typed_config";

/// The step of `cargo xtask test`.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let files = Files::read(workspace)?;
    files.check_agreement()?;
    println!("  5 files carry one policy, and header hold is set in both places or in neither");
    println!("  Istio's files leave logs, spans and labels as the sidecar's do");
    check_istio_schemas(workspace, &files)?;
    println!(
        "  the WasmPlugin, the EnvoyFilters and the Telemetry fit Istio's schemas; the TrafficExtension says what the WasmPlugin says"
    );
    check_dashboards(workspace)?;
    println!("  the dashboards fit Grafana's types");
    let loaded = check_in_envoy(workspace, &files)?;
    println!("  Envoy loads the module with all {loaded}");
    Ok(())
}

struct Files {
    sidecar_text: String,
    sidecar: Value,
    traffic_extension: Value,
    wasm_plugin: Value,
    envoy_filter: Value,
    observed: Value,
    telemetry: Value,
    mesh_config: Value,
    spans_filter: Value,
}

impl Files {
    fn read(workspace: &Workspace) -> Result<Self> {
        let yaml = |path| -> Result<Value> {
            serde_saphyr::from_str(&workspace.read(path)?).with_context(|| format!("{path} is not YAML"))
        };
        Ok(Self {
            sidecar_text: workspace.read(SIDECAR)?,
            sidecar: yaml(SIDECAR)?,
            traffic_extension: yaml(TRAFFIC_EXTENSION)?,
            wasm_plugin: yaml(WASM_PLUGIN)?,
            envoy_filter: yaml(ENVOY_FILTER)?,
            observed: yaml(OBSERVED)?,
            telemetry: yaml(TELEMETRY)?,
            mesh_config: yaml(MESH_CONFIG)?,
            spans_filter: yaml(SPANS_FILTER)?,
        })
    }

    fn check_agreement(&self) -> Result<()> {
        let body: String =
            self.sidecar_text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        for text in REPLACEABLE {
            let count = body.matches(text).count();
            ensure!(count == 1, "{SIDECAR}: `{text}` stands {count} times below the header, which promises once");
        }

        let filters =
            [(SIDECAR, &self.sidecar, SIDECAR_FILTER), (ENVOY_FILTER, &self.envoy_filter, ENVOY_FILTER_FILTER)];
        let mut policies = Vec::new();
        for (file, document, place) in filters {
            let filter = at(document, place, file)?;
            let configuration = at(filter, "/config/configuration/value", file)?.as_str().unwrap_or_default();
            let configuration: Value = serde_json::from_str(configuration)
                .with_context(|| format!("{file}: the configuration is not JSON"))?;
            let flag =
                filter.pointer("/config/allow_on_headers_stop_iteration").and_then(Value::as_bool).unwrap_or(false);
            policies.push((file, flag, configuration));
        }
        let extension = at(&self.traffic_extension, "/spec/wasm/pluginConfig", TRAFFIC_EXTENSION)?;
        let plugin = at(&self.wasm_plugin, "/spec/pluginConfig", WASM_PLUGIN)?;
        // Istio has no way to set the flag in these two.
        policies.push((TRAFFIC_EXTENSION, false, extension.clone()));
        policies.push((WASM_PLUGIN, false, plugin.clone()));
        check_policies(policies)?;
        self.check_observed_policy()?;
        self.check_telemetry()?;

        same_traffic(&self.traffic_extension, &self.wasm_plugin)
    }
}

/// All policies are one, and each says `header_hold` as its host does.
fn check_policies(policies: Vec<(&str, bool, Value)>) -> Result<()> {
    let mut first: Option<(&str, Value)> = None;
    for (file, flag, mut configuration) in policies {
        let hold = configuration.as_object_mut().and_then(|fields| fields.remove("header_hold"));
        ensure!(
            hold == Some(Value::Bool(flag)),
            "{file}: the host {} hold headers, `header_hold` says {hold:?}",
            if flag { "does" } else { "does not" }
        );
        match &first {
            None => first = Some((file, configuration)),
            Some((other, policy)) => ensure!(*policy == configuration, "{file} and {other} carry different policies"),
        }
    }
    Ok(())
}

/// The TrafficExtension, of which no published package has the schema, says what the WasmPlugin says, field by field.
fn same_traffic(extension: &Value, plugin: &Value) -> Result<()> {
    let mut flat = at(extension, "/spec", TRAFFIC_EXTENSION)?.clone();
    let fields = flat.as_object_mut().context("the TrafficExtension's spec is no object")?;
    let Some(Value::Object(wasm)) = fields.remove("wasm") else { bail!("{TRAFFIC_EXTENSION}: spec.wasm is no object") };
    fields.extend(wasm);
    ensure!(
        flat == *at(plugin, "/spec", WASM_PLUGIN)?,
        "{TRAFFIC_EXTENSION} and {WASM_PLUGIN} differ in more than their shape"
    );
    ensure!(
        extension.get("metadata") == plugin.get("metadata"),
        "{TRAFFIC_EXTENSION} and {WASM_PLUGIN} have other metadata"
    );
    Ok(())
}

fn at<'a>(document: &'a Value, pointer: &str, file: &str) -> Result<&'a Value> {
    document.pointer(pointer).with_context(|| format!("{file} has nothing at {pointer}"))
}

fn check_istio_schemas(workspace: &Workspace, files: &Files) -> Result<()> {
    tools::node_packages(workspace, NODE_PROJECT)?;
    let resources = json!([
        { "file": WASM_PLUGIN, "resource": files.wasm_plugin },
        { "file": ENVOY_FILTER, "resource": files.envoy_filter },
        { "file": SPANS_FILTER, "resource": files.spans_filter },
        { "file": TELEMETRY, "resource": files.telemetry },
    ]);
    let mut check = workspace.command("node");
    check.arg("envoy-config/check-istio.mjs").stdin(Stdio::piped());
    let mut child = check.spawn().with_context(|| format!("cannot start `{}`", command::shown(&check)))?;
    let mut input = child.stdin.take().context("node has no standard input")?;
    input.write_all(resources.to_string().as_bytes())?;
    drop(input);
    ensure!(child.wait()?.success(), "Istio would not take these files");
    Ok(())
}

/// Dashboards as Grafana's own types have them; `tests/tests/dashboards.rs` runs what they ask.
fn check_dashboards(workspace: &Workspace) -> Result<()> {
    tools::node_packages(workspace, NODE_PROJECT)?;
    let mut files = fs::read_dir(workspace.path(DASHBOARDS))
        .with_context(|| format!("reading {DASHBOARDS}"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    ensure!(!files.is_empty(), "{DASHBOARDS} has no dashboards");
    command::run(workspace.command("node").arg("envoy-config/check-grafana.mjs").args(files))
}

/// Has Envoy load each bootstrap with the module, and Istio's files in the sidecar's place; it reads the whole bootstrap, the
/// module, and the module its configuration. Returns how many it loaded.
fn check_in_envoy(workspace: &Workspace, files: &Files) -> Result<usize> {
    let module = module::build(workspace, module::Build::Plain)?;
    let envoy = tools::envoy(workspace)?;
    let filter = |document: &Value, place: &str| document.pointer(place).cloned().unwrap_or_default();
    let mut unheld = filter(&files.sidecar, SIDECAR_FILTER);
    set(&mut unheld, "/config/allow_on_headers_stop_iteration", json!(false))?;
    set(
        &mut unheld,
        "/config/configuration/value",
        json!(filter(&files.wasm_plugin, "/spec/pluginConfig").to_string()),
    )?;
    let in_sidecar = |filter: Value| -> Result<Value> {
        let mut bootstrap = files.sidecar.clone();
        set(&mut bootstrap, SIDECAR_FILTER, filter)?;
        Ok(bootstrap)
    };
    let bootstraps = [
        ("sidecar-inbound", files.sidecar.clone()),
        ("sidecar-observed", files.observed.clone()),
        ("envoy-filter-header-hold", in_sidecar(filter(&files.envoy_filter, ENVOY_FILTER_FILTER))?),
        ("wasm-plugin", in_sidecar(unheld)?),
        ("telemetry, mesh-config and envoy-filter-spans", telemetry::observed_by_istio(files)?),
    ];
    let directory = tempfile::tempdir()?;
    for (name, mut bootstrap) in bootstraps.clone() {
        set_module(&mut bootstrap, &json!({ "local": { "filename": module } }));
        let path = directory.path().join("bootstrap.json");
        fs::write(&path, bootstrap.to_string())?;
        let mut validate = Command::new(&envoy);
        validate.args(["--mode", "validate", "--log-level", "warning", "--config-path"]).arg(&path);
        command::capture(&mut validate).with_context(|| format!("Envoy does not take {name}"))?;
    }
    Ok(bootstraps.len())
}

/// Puts the module into every filter that runs one.
fn set_module(document: &mut Value, code: &Value) {
    match document {
        Value::Object(members) => {
            if let Some(vm) = members.get_mut("vm_config").and_then(Value::as_object_mut) {
                vm.insert("code".to_owned(), code.clone());
            }
            members.values_mut().for_each(|member| set_module(member, code));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| set_module(element, code)),
        _ => {}
    }
}

fn set(document: &mut Value, pointer: &str, value: Value) -> Result<()> {
    *document.pointer_mut(pointer).with_context(|| format!("nothing at {pointer}"))? = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_agree() {
        Files::read(&Workspace::find().unwrap()).unwrap().check_agreement().unwrap();
    }

    #[test]
    fn a_policy_that_differs_is_found() {
        let policy = |default: &str, hold: bool| json!({ "header_hold": hold, "policy": { "default": default } });
        check_policies(vec![("a", true, policy("deny", true)), ("b", false, policy("deny", false))]).unwrap();
        check_policies(vec![("a", true, policy("deny", true)), ("b", true, policy("allow", true))]).unwrap_err();
    }

    #[test]
    fn header_hold_in_one_place_only_is_found() {
        check_policies(vec![("a", true, json!({ "header_hold": false }))]).unwrap_err();
        check_policies(vec![("a", false, json!({ "header_hold": true }))]).unwrap_err();
        check_policies(vec![("a", false, json!({}))]).unwrap_err();
    }

    #[test]
    fn an_istio_file_that_lags_behind_is_found() {
        let mut files = Files::read(&Workspace::find().unwrap()).unwrap();
        set(&mut files.traffic_extension, "/spec/phase", json!("STATS")).unwrap();
        files.check_agreement().unwrap_err();
    }

    #[test]
    fn what_istio_is_to_show_and_the_sidecar_is_not_is_found() {
        for (place, file) in [
            ("/spec/tracing/0/customTags/error.type/formatter/value", 0),
            ("/meshConfig/defaultConfig/extraStatTags/0", 1),
        ] {
            let mut files = Files::read(&Workspace::find().unwrap()).unwrap();
            let document = if file == 0 { &mut files.telemetry } else { &mut files.mesh_config };
            set(document, place, json!("other")).unwrap();
            files.check_agreement().unwrap_err();
        }
    }

    #[test]
    fn a_literal_that_the_header_promises_is_missed() {
        let mut files = Files::read(&Workspace::find().unwrap()).unwrap();
        files.sidecar_text = files.sidecar_text.replace("port_value: 8080", "port_value: 8081");
        files.check_agreement().unwrap_err();
    }
}
