//! Real MCP clients and servers, made with the official SDKs: the scripts of `tests/clients`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::envoy::workspace;
use crate::page;

/// Where `spans.py` finds the URL of a receiver of spans.
const OTLP_TRACES: &str = "OTLP_TRACES";

/// The folder of the scripts.
#[must_use]
pub fn folder() -> PathBuf {
    workspace().join("tests/clients")
}

/// The Python with the official SDK: `MESHWARD_PYTHON`, or what `cargo xtask test` installs.
///
/// # Errors
/// When there is none.
pub fn python() -> Result<PathBuf> {
    interpreter("MESHWARD_PYTHON", "target/tools/python/bin/python")
}

/// The Node.js with the official SDKs beside it: `MESHWARD_NODE`, or what `cargo xtask test` installs.
///
/// # Errors
/// When there is none, or no packages for it.
pub fn node() -> Result<PathBuf> {
    let packages = folder().join("node_modules");
    if !packages.is_dir() {
        bail!("{} is missing: `cargo xtask test` installs it (so does `npm ci` there)", packages.display());
    }
    interpreter("MESHWARD_NODE", "tests/clients/node_modules/.bin/node")
}

fn interpreter(variable: &str, installed: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| workspace().join(installed), PathBuf::from);
    if !path.is_file() {
        bail!("{} is missing: `cargo xtask test` installs it, or name another in {variable}", path.display());
    }
    Ok(path)
}

/// An SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// `mcp` of PyPI.
    Python,
    /// `@modelcontextprotocol/client` of npm.
    TypeScript,
    /// `@modelcontextprotocol/sdk` of npm, which many programs still use.
    TypeScriptV1,
}

/// How a client speaks to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Revision 2025-11-25, which begins with `initialize`.
    Session,
    /// Revision 2026-07-28, where each request stands for itself.
    Stateless,
}

impl Mode {
    /// The revision that is agreed on.
    #[must_use]
    pub const fn revision(self) -> &'static str {
        match self {
            Self::Session => "2025-11-25",
            Self::Stateless => "2026-07-28",
        }
    }
}

/// An SDK in the one mode or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The SDK.
    pub sdk: Sdk,
    /// How it speaks.
    pub mode: Mode,
}

/// All that there are.
pub const CLIENTS: [Client; 5] = [
    Client { sdk: Sdk::Python, mode: Mode::Session },
    Client { sdk: Sdk::Python, mode: Mode::Stateless },
    Client { sdk: Sdk::TypeScript, mode: Mode::Session },
    Client { sdk: Sdk::TypeScript, mode: Mode::Stateless },
    Client { sdk: Sdk::TypeScriptV1, mode: Mode::Session },
];

impl Client {
    /// Lets the client take these steps (see `plan.mjs`) and returns what it saw, one object for each, between one for
    /// connecting and one for the end.
    ///
    /// # Errors
    /// When the client is missing or does not come to the end.
    pub fn run(self, server: SocketAddr, steps: &Value) -> Result<Vec<Value>> {
        self.run_with(server, steps, None, None)
    }

    /// The same; the Python client sends its spans to a receiver, by its URL.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn run_traced(self, server: SocketAddr, steps: &Value, spans: Option<&str>) -> Result<Vec<Value>> {
        self.run_with(server, steps, spans, None)
    }

    /// The same; the Python client has a token that is bound to a key.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn run_bound(self, server: SocketAddr, steps: &Value, token: &BoundToken) -> Result<Vec<Value>> {
        self.run_with(server, steps, None, Some(token))
    }

    fn run_with(
        self,
        server: SocketAddr,
        steps: &Value,
        spans: Option<&str>,
        token: Option<&BoundToken>,
    ) -> Result<Vec<Value>> {
        let (interpreter, script) = match self.sdk {
            Sdk::Python => (python()?, "python_client.py"),
            Sdk::TypeScript => (node()?, "typescript_client.mjs"),
            Sdk::TypeScriptV1 => (node()?, "typescript_v1_client.mjs"),
        };
        let mode = match self.mode {
            Mode::Session => "session",
            Mode::Stateless => "stateless",
        };
        let mut plan = json!({
            "url": format!("http://{server}/mcp"),
            "mode": mode,
            "answers": {"name": "Ada"},
            "steps": steps,
        });
        if let (Some(plan), Some(token)) = (plan.as_object_mut(), token) {
            plan.insert("dpop".to_owned(), json!({"token": token.token, "key": token.key}));
        }
        let output = Command::new(interpreter)
            .current_dir(folder())
            .envs(spans.map(|url| (OTLP_TRACES, url)))
            .arg(script)
            .arg(plan.to_string())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("start {script}"))?;
        let lines: Result<Vec<Value>, _> =
            String::from_utf8_lossy(&output.stdout).lines().map(serde_json::from_str).collect();
        let lines = lines.with_context(|| format!("what {script} printed"))?;
        let end = lines.last();
        if end.and_then(|end| end.get("step")).and_then(Value::as_str) != Some("end")
            || end.is_some_and(|end| end.get("error").is_some())
        {
            bail!("{self:?} stopped: {end:?}\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(lines)
    }
}

/// Lets the client of version 1 of the TypeScript SDK have tasks on the server "everything" (`typescript_v1_tasks.mjs`), and returns what it saw.
/// `intrudes`: somebody else tries all that there is to try, and not only whether there is such a task.
///
/// # Errors
/// When it is missing or does not come to the end.
pub fn tasks(server: SocketAddr, intrudes: bool) -> Result<Vec<Value>> {
    let plan = json!({"url": format!("http://{server}/mcp"), "intrudes": intrudes});
    let output = Command::new(node()?)
        .current_dir(folder())
        .args(["typescript_v1_tasks.mjs", &plan.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("start typescript_v1_tasks.mjs")?;
    let lines: Result<Vec<Value>, _> =
        String::from_utf8_lossy(&output.stdout).lines().map(serde_json::from_str).collect();
    let lines = lines.context("what typescript_v1_tasks.mjs printed")?;
    if lines.last() != Some(&json!({"end": true})) {
        bail!("it stopped: {:?}\n{}", lines.last(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(lines)
}

/// An access token that is bound to a key, of an issuer that is new each time (`dpop.py`).
#[derive(Debug, Deserialize)]
pub struct BoundToken {
    /// The issuer's keys, a JWK Set.
    pub jwks: Value,
    /// The issuer's private key, a JWK.
    pub issuer: Value,
    /// The token.
    pub token: String,
    /// The private key, in PEM.
    pub key: String,
}

impl BoundToken {
    /// A new one.
    ///
    /// # Errors
    /// When Python is missing, or its packages.
    pub fn new() -> Result<Self> {
        serde_json::from_str(&dpop(&["issue"])?).context("what dpop.py printed")
    }

    /// What `docs/dpop.md` says of Envoy's JWT filter, for this token's issuer; a request without a token comes to the module.
    #[must_use]
    pub fn jwt_filter(&self) -> Value {
        json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"tokens": {
                    "local_jwks": {"inline_string": self.jwks.to_string()},
                    "from_headers": [
                        {"name": "Authorization", "value_prefix": "DPoP "},
                        {"name": "Authorization", "value_prefix": "Bearer "},
                    ],
                    "forward": true,
                    "payload_in_metadata": "payload",
                }},
                "rules": [{
                    "match": {"prefix": "/mcp"},
                    "requires": {"requires_any": {"requirements": [{"provider_name": "tokens"}, {"allow_missing": {}}]}},
                }],
            },
        })
    }

    /// A proof for one request.
    ///
    /// # Errors
    /// As [`BoundToken::new`].
    pub fn proof(&self, method: &str, url: &str) -> Result<String> {
        let asked = json!({"token": self.token, "key": self.key, "method": method, "url": url});
        Ok(dpop(&["prove", &asked.to_string()])?.trim().to_owned())
    }
}

fn dpop(arguments: &[&str]) -> Result<String> {
    let output = Command::new(python()?).current_dir(folder()).arg("dpop.py").args(arguments).output()?;
    if !output.status.success() {
        bail!("dpop.py: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What the MCP Inspector's command line did.
#[derive(Debug)]
pub struct Inspected {
    /// Its exit status; 0 is success.
    pub status: Option<i32>,
    /// What it printed: a result, or an object with `error`.
    pub output: Value,
}

/// Runs the MCP Inspector's command line with these options.
///
/// # Errors
/// When it is missing or prints no JSON.
pub fn inspect(server: SocketAddr, mode: Mode, options: &[&str]) -> Result<Inspected> {
    let era = match mode {
        Mode::Session => "legacy",
        Mode::Stateless => "modern",
    };
    let output = Command::new(node()?)
        .current_dir(folder())
        .args(["node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli"])
        .arg(format!("http://{server}/mcp"))
        .args(["--transport", "http", "--protocol-era", era])
        .args(options)
        .stdin(Stdio::null())
        .output()
        .context("start the inspector")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let printed = if stdout.trim().is_empty() { &stderr } else { &stdout };
    let printed = serde_json::from_str(printed).with_context(|| format!("the inspector said {stdout}{stderr}"))?;
    Ok(Inspected { status: output.status.code(), output: printed })
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// `python_server.py`: every feature, both revisions.
    ///
    /// # Errors
    /// When it does not start.
    pub fn python() -> Result<Self> {
        Self::start(Command::new(python()?).arg("python_server.py"))
    }

    /// The same, with its spans sent to a receiver, by its URL.
    ///
    /// # Errors
    /// When it does not start.
    pub fn python_traced(spans: &str) -> Result<Self> {
        Self::start(Command::new(python()?).arg("python_server.py").env(OTLP_TRACES, spans))
    }

    /// `paged_server.py`: lists of several pages, both revisions. `json`: a session is answered with JSON, and not with
    /// events.
    ///
    /// # Errors
    /// When it does not start.
    pub fn paged(json: bool) -> Result<Self> {
        let mode = if json { "json" } else { "events" };
        Self::start(Command::new(python()?).args(["paged_server.py", mode]))
    }

    /// `changing_server.py`: tools that are not what they were, both revisions.
    ///
    /// # Errors
    /// When it does not start.
    pub fn changing() -> Result<Self> {
        Self::start(Command::new(python()?).arg("changing_server.py"))
    }

    /// `tasks_server.mjs`: tasks of the Tasks extension, stateless requests only.
    ///
    /// # Errors
    /// When it does not start.
    pub fn tasks() -> Result<Self> {
        Self::start(Command::new(node()?).arg("tasks_server.mjs"))
    }

    /// The MCP project's server "everything", sessions only.
    ///
    /// # Errors
    /// When it does not start.
    pub fn everything() -> Result<Self> {
        Self::start(Command::new(node()?).arg("everything_server.mjs"))
    }

    fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .current_dir(folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        BufReader::new(server.child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("{command:?} said {line:?}"))?;
        let port = ready.get("port").and_then(Value::as_u64).context("no port")?;
        server.address.set_port(u16::try_from(port)?);
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names of the tools that ran in `python_server.py`, `paged_server.py` or `changing_server.py`, and the pages of the latter that were
    /// asked for.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn calls(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.get("/calls")?)?)
    }

    /// What came of the questions that `get_answers` of `python_server.py` asked: `{method, outcome, ms}` each.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn asked(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_value(self.get("/asked")?)?)
    }

    fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&page::get(self.address, path)?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
