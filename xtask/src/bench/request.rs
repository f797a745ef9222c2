//! What is sent: calls of a tool, and the question for a list, as a client of revision 2026-07-28 sends them.

use super::fresh::Fresh;
use super::signed;

/// The fields of `_meta` that every request of that revision has.
const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"#,
    r#""io.modelcontextprotocol/clientCapabilities":{}}"#
);

/// The context of a trace.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// One POST.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    method: &'static str,
    tool: Option<&'static str>,
    /// It has the context of a trace, in the header field too.
    is_traced: bool,
    /// The fields that sign it, or that have a token.
    signed: Vec<(&'static str, String)>,
    /// What each one sent has of its own.
    pub(crate) fresh: Option<Fresh>,
    pub(crate) body: String,
}

impl Request {
    /// A call of a tool with these arguments, a JSON object.
    pub(crate) fn call(path: &str, tool: &'static str, arguments: &str) -> Self {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},{META}}}}}"#
        );
        Self {
            path: path.to_owned(),
            method: "tools/call",
            tool: Some(tool),
            is_traced: false,
            signed: Vec::new(),
            fresh: None,
            body,
        }
    }

    /// A call of `size` bytes: records of text, numbers and booleans, some text with escapes, as tools get them, and as much
    /// of a plain word as is left. Small sizes become the smallest call.
    pub(crate) fn of_size(path: &str, size: usize) -> Self {
        let empty = Self::call(path, "get_user", r#"{"records":[],"user":""}"#).body.len();
        let (mut records, mut left) = (String::new(), size.saturating_sub(empty));
        for number in 0_u32.. {
            let comma = if number == 0 { "" } else { "," };
            let record = format!(
                r#"{comma}{{"id":{number},"path":"src/records/{number}.txt","ok":true,"text":"Line one of {number}.\nLine \"two\" with some more words, as people write them, and a price of 12.50 €."}}"#
            );
            let Some(rest) = left.checked_sub(record.len()) else { break };
            records.push_str(&record);
            left = rest;
        }
        Self::call(path, "get_user", &format!(r#"{{"records":[{records}],"user":"{}"}}"#, "u".repeat(left)))
    }

    /// The same with the context of a trace, in both places where one can be.
    pub(crate) fn in_trace(self) -> Self {
        let meta = format!(r#""_meta":{{"traceparent":"{PARENT}","#);
        Self { is_traced: true, body: self.body.replacen(r#""_meta":{"#, &meta, 1), ..self }
    }

    /// The question for a list of tools.
    pub(crate) fn list(path: &str) -> Self {
        let body = format!(r#"{{"jsonrpc":"2.0","id":17,"method":"tools/list","params":{{{META}}}}}"#);
        Self { method: "tools/list", tool: None, body, ..Self::call(path, "", "{}") }
    }

    /// The header fields, without those of HTTP's own framing.
    pub(crate) fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", self.method),
            ("user-agent", "bench"),
        ];
        headers.extend(self.tool.map(|tool| ("mcp-name", tool)));
        headers.extend(self.is_traced.then_some(("traceparent", PARENT)));
        headers.extend(self.signed.iter().map(|(name, value)| (*name, value.as_str())));
        headers
    }

    /// The same, signed.
    pub(crate) fn signed(self) -> Self {
        Self { signed: signed::fields(&self), ..self }
    }

    /// The same, where each one sent is unlike all others.
    pub(crate) fn fresh(self, fresh: Fresh) -> Self {
        Self { signed: fresh.fixed(&self), fresh: Some(fresh), ..self }
    }

    /// The request line and the header fields, these too, each line with its end.
    pub(crate) fn head(&self, more: &[(&str, String)]) -> String {
        let more = more.iter().map(|(name, value)| (*name, value.as_str()));
        let lines = self.headers().into_iter().chain(more).map(|(name, value)| format!("{name}: {value}\r\n"));
        std::iter::once(format!("POST {} HTTP/1.1\r\n", self.path)).chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_and_as_long_as_asked() {
        for size in [400, 64 * 1024, 1024 * 1024] {
            let request = Request::of_size("/mcp", size);
            serde_json::from_str::<serde_json::Value>(&request.body).unwrap();
            assert_eq!(request.body.len(), size);
            let traced = request.in_trace();
            let body: serde_json::Value = serde_json::from_str(&traced.body).unwrap();
            assert_eq!(body.pointer("/params/_meta/traceparent").and_then(|parent| parent.as_str()), Some(PARENT));
            assert!(traced.headers().contains(&("traceparent", PARENT)));
        }
        serde_json::from_str::<serde_json::Value>(&Request::list("/mcp").body).unwrap();
    }
}
