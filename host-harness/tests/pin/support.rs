//! A server of MCP as small as can be, and the tool as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};

/// How a server answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Json,
    Events,
    /// Knows no sessions.
    Stateless,
    /// Wants to know who asks.
    Protected,
}

/// A server with these tools, one a page.
pub(crate) fn server(kind: Kind, tools: Value) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            answer(connection.unwrap(), kind, &tools);
        }
    });
    address
}

fn answer(mut connection: TcpStream, kind: Kind, tools: &Value) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    let mut body = vec![0; field("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let reply = |status: &str, fields: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
    };
    let said = if kind == Kind::Protected && field("authorization").as_deref() != Some("bearer secret") {
        reply("401 Unauthorized", "", "")
    } else if body.is_empty() {
        reply("200 OK", "", "")
    } else {
        let request: Value = serde_json::from_slice(&body).unwrap();
        match (request["method"].as_str().unwrap(), kind) {
            ("notifications/initialized", _) => reply("202 Accepted", "", ""),
            (method, _) => {
                let version = field("mcp-protocol-version");
                let (fields, members) = match (method, kind) {
                    ("initialize", Kind::Stateless) => {
                        ("", json!({ "error": { "code": -32601, "message": "No\u{1b} such" } }))
                    }
                    ("initialize", _) => (
                        "mcp-session-id: s1\r\n",
                        json!({ "result": { "protocolVersion": request["params"]["protocolVersion"], "capabilities": {},
                            "serverInfo": { "name": "s", "version": "1" } } }),
                    ),
                    _ => {
                        if kind == Kind::Stateless {
                            let said = &request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
                            assert_eq!(
                                (field("mcp-method").as_deref(), said.as_str()),
                                (Some("tools/list"), version.as_deref())
                            );
                        } else {
                            assert_eq!(
                                (field("mcp-session-id").as_deref(), version.as_deref()),
                                (Some("s1"), Some("2025-11-25"))
                            );
                        }
                        let page = request["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
                        let mut result = json!({ "tools": [tools[page]] });
                        if page + 1 < tools.as_array().unwrap().len() {
                            result["nextCursor"] = (page + 1).to_string().into();
                        }
                        ("", json!({ "result": result }))
                    }
                };
                let mut message = members;
                message["jsonrpc"] = "2.0".into();
                message["id"] = request["id"].clone();
                if kind == Kind::Events {
                    let events =
                        format!(": hello\n\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"x\"}}\n\ndata: {message}\n\n");
                    reply("200 OK", &format!("{fields}content-type: text/event-stream\r\n"), &events)
                } else {
                    reply("200 OK", &format!("{fields}content-type: application/json\r\n"), &message.to_string())
                }
            }
        }
    };
    connection.write_all(said.as_bytes()).unwrap();
}

/// What the server lists.
pub(crate) fn tools() -> Value {
    json!([
        { "name": "search", "description": "Finds é.", "inputSchema": { "type": "object" }, "x-unknown": [1e21, 0.1] },
        { "name": "on", "inputSchema": { "type": "object" } },
    ])
}

/// Runs the tool.
pub(crate) fn pin(address: SocketAddr, arguments: &[&str]) -> Output {
    let url = format!("http://{address}/mcp");
    Command::new(env!("CARGO_BIN_EXE_meshward")).arg("pin").arg(url).args(arguments).output().unwrap()
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
