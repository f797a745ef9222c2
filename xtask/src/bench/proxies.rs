//! The Envoys of the benchmark: an upstream that answers, and one proxy for each thing to compare.

use std::{
    cell::Cell,
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    fresh,
    plan::Case,
    policies::{Framing, List},
    request::Request,
    signed::AUTHORITY,
};
use crate::{envoy_config, tools, workspace::Workspace};

/// The proxies have this core to themselves: only one of them is loaded at a time.
const PROXY_CORE: usize = 0;
/// The load generator and the upstream share this one.
pub(crate) const LOAD_CORE: usize = 1;
/// What every Envoy here holds of one body.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The lists that the upstream has.
pub(crate) const LISTS: [List; 4] = [
    List { tools: 200, framing: Framing::Json },
    List { tools: 200, framing: Framing::Sse },
    List { tools: 2_000, framing: Framing::Json },
    List { tools: 2_000, framing: Framing::Sse },
];
/// What the upstream says to every call.
const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":"done"}],"isError":false}}"#;

/// A filter chain to be compared.
#[derive(Debug)]
pub(crate) struct Variant {
    name: String,
    filters: Filters,
    /// What the module's configuration says besides, section by section.
    sections: Vec<(&'static str, Value)>,
    /// `protocol.responses: strict`.
    reads_strictly: bool,
    /// The call that it must refuse; `None`: it refuses nothing, or that is not known.
    denied: Option<Request>,
    /// It shows the half of a list only.
    pub(crate) filters_lists: bool,
    /// A filter in front of the module.
    before: Option<Value>,
}

#[derive(Debug)]
enum Filters {
    /// The router alone.
    None,
    /// Envoy's own MCP filter, as strict as it can be, and RBAC with the policy of `envoy-config/`.
    Native,
    /// The filter of `envoy-config/` with this module, and another policy than there is if one is given.
    Module(PathBuf, Option<Value>),
}

impl Variant {
    fn new(name: &str, filters: Filters) -> Self {
        Self {
            name: name.to_owned(),
            filters,
            sections: Vec::new(),
            reads_strictly: false,
            denied: None,
            filters_lists: false,
            before: None,
        }
    }

    pub(crate) fn plain() -> Self {
        Self::new("plain Envoy", Filters::None)
    }

    pub(crate) fn native() -> Self {
        Self::new("native mcp + RBAC", Filters::Native).denying(Request::call("/direct", "delete_repo", "{}"))
    }

    pub(crate) fn meshward(file: &Path) -> Self {
        Self::other("meshward", file).denying(Request::call("/direct", "delete_repo", "{}"))
    }

    /// Another module in Meshward's place. It may be one that decides nothing, to see what any module costs.
    pub(crate) fn other(name: &str, file: &Path) -> Self {
        Self::new(name, Filters::Module(file.to_path_buf(), None))
    }

    /// Meshward with a policy of its own.
    pub(crate) fn with_policy(name: &str, file: &Path, policy: Value) -> Self {
        Self::new(name, Filters::Module(file.to_path_buf(), Some(policy)))
    }

    pub(crate) fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With sections of the configuration that say nothing but that they are there.
    pub(crate) fn with_sections(mut self, sections: &[&'static str]) -> Self {
        self.sections.extend(sections.iter().map(|section| (*section, json!({}))));
        self
    }

    /// With a section of the configuration.
    pub(crate) fn with_section(mut self, section: &'static str, value: Value) -> Self {
        self.sections.push((section, value));
        self
    }

    /// With a filter in front of the module.
    pub(crate) fn behind(mut self, filter: &Value) -> Self {
        self.before = Some(filter.clone());
        self
    }

    /// Every response is read, and nothing else is done with it.
    pub(crate) const fn reading_strictly(mut self) -> Self {
        self.reads_strictly = true;
        self
    }

    pub(crate) fn denying(mut self, request: Request) -> Self {
        self.denied = Some(request);
        self
    }

    pub(crate) const fn filtering_lists(mut self) -> Self {
        self.filters_lists = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The sidecar's bootstrap with other filters, other ports, and routes that the proxy answers itself.
    fn bootstrap(&self, workspace: &Workspace, port: u16, admin: u16, upstream: u16) -> Result<Value> {
        let mut bootstrap: Value = serde_saphyr::from_str(&workspace.read(envoy_config::SIDECAR)?)?;
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        let filters = format!("{manager}/http_filters");
        let mut module = at(&mut bootstrap, &format!("{filters}/0"))?.take();
        let router = at(&mut bootstrap, &format!("{filters}/1"))?.take();
        *at(&mut bootstrap, &filters)? = match &self.filters {
            Filters::None => json!([whole_body(), router]),
            Filters::Native => json!([native_filter(), native_policy(), whole_body(), router]),
            Filters::Module(file, policy) => {
                *at(&mut module, "/typed_config/config/vm_config/code/local/filename")? = json!(file);
                let text = at(&mut module, "/typed_config/config/configuration/value")?;
                let mut configuration: Value = serde_json::from_str(text.as_str().unwrap_or_default())?;
                let lists = LISTS.iter().map(|list| list.path());
                let paths = ["/mcp", "/direct", "/direct-json"].map(str::to_owned).into_iter().chain(lists);
                *at(&mut configuration, "/endpoints")? = paths.map(|path| json!({ "path": path })).collect();
                if let Some(policy) = policy {
                    *at(&mut configuration, "/policy")? = policy.clone();
                    at(&mut configuration, "/protocol")?["max_response_bytes"] = json!("4MiB");
                }
                if self.reads_strictly {
                    at(&mut configuration, "/protocol")?["responses"] = json!("strict");
                }
                let sections = configuration.as_object_mut().context("the sidecar's configuration is no object")?;
                sections.extend(self.sections.iter().map(|(section, value)| ((*section).to_owned(), value.clone())));
                *text = json!(configuration.to_string());
                json!([module, whole_body(), router])
            }
        };
        let filters = at(&mut bootstrap, &filters)?.as_array_mut().context("no filters")?;
        filters.splice(0..0, self.before.clone());
        let routes = at(&mut bootstrap, &format!("{manager}/route_config/virtual_hosts/0/routes"))?;
        let direct = json!({ "match": { "path": "/direct" }, "direct_response": answer() });
        // What says that it is JSON is read by those who observe.
        let read = json!({
            "match": { "path": "/direct-json" },
            "direct_response": answer(),
            "response_headers_to_add": [type_of_content("application/json")],
        });
        routes.as_array_mut().context("no routes")?.splice(0..0, [direct, read]);

        // The largest list is more than 2 MiB, and is held whole where it is filtered.
        *at(&mut bootstrap, "/static_resources/listeners/0/per_connection_buffer_limit_bytes")? = json!(BUFFER_BYTES);
        let port_of = |address: &str| format!("{address}/address/socket_address/port_value");
        *at(&mut bootstrap, &port_of("/static_resources/listeners/0"))? = json!(port);
        *at(&mut bootstrap, &port_of("/admin"))? = json!(admin);
        let endpoint = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint";
        *at(&mut bootstrap, &port_of(endpoint))? = json!(upstream);
        Ok(bootstrap)
    }
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    document.pointer_mut(pointer).with_context(|| format!("{} has nothing at {pointer}", envoy_config::SIDECAR))
}

fn answer() -> Value {
    json!({ "status": 200, "body": { "inline_string": ANSWER } })
}

/// Waits for the whole body. Only on the direct route: without it the plain Envoy would answer before the body, and close
/// the connection; the others wait by themselves.
fn whole_body() -> Value {
    json!({
        "name": "envoy.filters.http.buffer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": BUFFER_BYTES,
        },
    })
}

fn native_filter() -> Value {
    json!({
        "name": "envoy.filters.http.mcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
            "traffic_mode": "REJECT_NO_MCP",
            "reject_duplicate_keys": true,
            "max_request_body_size": 2 * 1024 * 1024,
        },
    })
}

/// The policy of `envoy-config/` in RBAC's words, on the metadata of the native filter.
fn native_policy() -> Value {
    let value = |path: Value, matches: Value| {
        json!({ "sourced_metadata": { "metadata_matcher": {
            "filter": "envoy.filters.http.mcp", "path": path, "value": { "string_match": matches },
        } } })
    };
    let method = |matches: Value| value(json!([{ "key": "method" }]), matches);
    let name = |matches: Value| value(json!([{ "key": "params" }, { "key": "name" }]), matches);
    let any = json!([{ "any": true }]);
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "ALLOW", "policies": {
                "readers": { "principals": any, "permissions": [{ "and_rules": { "rules": [
                    method(json!({ "exact": "tools/call" })),
                    { "or_rules": { "rules": [name(json!({ "exact": "search" })), name(json!({ "prefix": "get_" }))] } },
                    { "not_rule": name(json!({ "exact": "delete_repo" })) },
                ] } }] },
                "upkeep": { "principals": any, "permissions": [
                    method(json!({ "exact": "initialize" })),
                    method(json!({ "exact": "ping" })),
                    method(json!({ "prefix": "notifications/" })),
                    method(json!({ "exact": "server/discover" })),
                    method(json!({ "suffix": "/list" })),
                    method(json!({ "exact": "logging/setLevel" })),
                ] },
            } },
        },
    })
}

/// How an Envoy is started.
#[derive(Debug)]
pub(crate) struct Envoy {
    /// The program, and what stands before Envoy's own arguments.
    pub(crate) words: Vec<OsString>,
    /// How long it may take until it is ready.
    pub(crate) patience: Duration,
}

impl Envoy {
    /// By itself.
    pub(crate) fn new(binary: &Path) -> Self {
        Self { words: vec![binary.into()], patience: Duration::from_secs(30) }
    }
}

/// One Envoy process, ended when it is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start(
        envoy: &Envoy,
        core: usize,
        workers: usize,
        bootstrap: &Value,
        ports: (u16, u16),
        file: &Path,
    ) -> Result<Self> {
        fs::write(file, bootstrap.to_string())?;
        let log = file.with_extension("log");
        let (program, arguments) = envoy.words.split_first().context("no program")?;
        let mut command = pinned(core, program.as_ref());
        command.args(arguments).args([
            "--concurrency",
            &workers.to_string(),
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
        ]);
        command.arg("--config-path").arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let mut process = Self { child: command.spawn().context("cannot start Envoy")?, port: ports.0 };
        let begin = Instant::now();
        while !ask(ports.1, "GET /ready HTTP/1.1\r\n", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            let ended = process.child.try_wait()?;
            if ended.is_some() || begin.elapsed() > envoy.patience {
                bail!("Envoy did not become ready:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the proxies pass calls on to: reads a request to its end and answers it.
#[derive(Debug)]
pub(crate) struct Upstream(Process);

impl Upstream {
    pub(crate) fn start(envoy: &Envoy, directory: &Path) -> Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let address = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
        let mut routes = Vec::new();
        for (number, list) in LISTS.iter().enumerate() {
            let file = directory.join(format!("list-{number}"));
            fs::write(&file, list.text())?;
            routes.push(json!({
                "match": { "path": list.path() },
                "direct_response": { "status": 200, "body": { "filename": file } },
                "response_headers_to_add": [type_of_content(list.content_type())],
            }));
        }
        routes.push(json!({
            "match": { "prefix": "/" },
            "direct_response": answer(),
            "response_headers_to_add": [type_of_content("application/json")],
        }));
        let bootstrap = json!({
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": [{
                "name": "upstream",
                "address": address(port),
                "per_connection_buffer_limit_bytes": BUFFER_BYTES,
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "upstream",
                        "http_filters": [
                            // Answers come when the whole body is there, as a server's do.
                            whole_body(),
                            { "name": "envoy.filters.http.router", "typed_config": {
                                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                            } },
                        ],
                        "route_config": {
                            "max_direct_response_body_size_bytes": BUFFER_BYTES,
                            "virtual_hosts": [{ "name": "upstream", "domains": ["*"], "routes": routes }],
                        },
                    },
                }] }],
            }] },
        });
        Process::start(envoy, LOAD_CORE, 1, &bootstrap, (port, admin), &directory.join("upstream.json")).map(Self)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }
}

/// Envoy's own answers are `text/plain`, unless told.
fn type_of_content(value: &str) -> Value {
    json!({ "header": { "key": "content-type", "value": value }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" })
}

/// A proxy to be measured.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Process,
    /// How much of what no two requests have alike it has been sent.
    taken: Cell<usize>,
    denied: Option<Request>,
    filters_lists: bool,
}

impl Proxy {
    /// Starts a proxy with so many workers, each of which has a VM of its own if there is a module.
    pub(crate) fn start(
        workspace: &Workspace,
        envoy: &Envoy,
        variant: &Variant,
        workers: usize,
        upstream: u16,
        directory: &Path,
    ) -> Result<Self> {
        let start = || {
            let (port, admin) = (free_port()?, free_port()?);
            let bootstrap = variant.bootstrap(workspace, port, admin, upstream)?;
            let file = directory.join(format!("proxy-{port}.json"));
            Process::start(envoy, PROXY_CORE, workers, &bootstrap, (port, admin), &file)
        };
        // A port that was free may be taken by the time Envoy asks for it.
        let process = start().or_else(|_| start()).with_context(|| format!("starting {}", variant.name))?;
        Ok(Self { process, taken: Cell::new(0), denied: variant.denied.clone(), filters_lists: variant.filters_lists })
    }

    pub(crate) fn port(&self) -> u16 {
        self.process.port
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.child.id()
    }

    pub(crate) const fn taken(&self) -> usize {
        self.taken.get()
    }

    pub(crate) fn take(&self, more: usize) {
        self.taken.set(self.taken.get().saturating_add(more));
    }

    /// CPU time that the process has used until now, all of its threads together.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let directory = format!("/proc/{}/task", self.process.child.id());
        let mut total = Duration::ZERO;
        for task in fs::read_dir(&directory).with_context(|| format!("reading {directory}"))? {
            let file = task?.path().join("schedstat");
            // The first number is the time on a core, in nanoseconds; a thread that has just ended has none.
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let used = text.split_whitespace().next().context("not a schedstat file")?;
            total = total.saturating_add(Duration::from_nanos(used.parse()?));
        }
        ensure!(!total.is_zero(), "the kernel does not count what threads use ({directory}/*/schedstat)");
        Ok(total)
    }

    /// Resident memory in KiB, without files that are mapped.
    pub(crate) fn memory(&self) -> Result<u64> {
        let file = format!("/proc/{}/smaps_rollup", self.process.child.id());
        let text = fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        let line = text.lines().find(|line| line.starts_with("Anonymous:")).context("no line of anonymous memory")?;
        Ok(line.split_whitespace().nth(1).context("not a line of smaps")?.parse()?)
    }

    /// What is to be measured passes, and what is to be refused is refused; of a list, as much is shown as should be.
    pub(crate) fn check(&self, case: &Case) -> Result<()> {
        let answer = self.answer(&case.request)?;
        match case.list {
            Some(list) => {
                let (shown, expected) =
                    (List::count(&answer), if self.filters_lists { list.tools / 2 } else { list.tools });
                ensure!(
                    shown == expected,
                    "{} shows {shown} tools, and should {expected}: {}",
                    list.path(),
                    beginning(&answer)
                );
            }
            None => {
                ensure!(answer.contains(ANSWER), "an allowed call was answered with: {}", beginning(&answer));
            }
        }
        if let Some(denied) = &self.denied {
            let answer = self.answer(denied)?;
            ensure!(!answer.contains(ANSWER), "a denied call was answered with: {}", beginning(&answer));
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Result<String> {
        // Numbers that no list has.
        static NEXT: AtomicUsize = AtomicUsize::new(1_000_000_000);
        let mut more = Vec::new();
        if let Some(fresh) = request.fresh {
            let made = fresh::values(fresh, request, NEXT.fetch_add(1, Ordering::Relaxed), 1)?;
            more = fresh.names().iter().copied().zip(made.into_iter().flatten()).collect();
        }
        ask(self.process.port, &request.head(&more), &request.body)
    }
}

fn beginning(answer: &str) -> String {
    answer.chars().take(1_000).collect()
}

/// One request on a connection of its own; the whole answer as text.
fn ask(port: u16, head: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{head}host: {AUTHORITY}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A port that was free just now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A program on one core alone, where there is more than one and a way to say so.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match tools::find("taskset") {
        Some(taskset) if core < cores => {
            let mut command = Command::new(taskset);
            command.args(["--cpu-list", &core.to_string()]).arg(program);
            command
        }
        _ => Command::new(program),
    }
}
