//! The error codes that refusals use, held against what JSON-RPC and MCP reserve.

use meshward_wire::refusal::Reason;

/// JSON-RPC 2.0, section 5.1: parse error, invalid request, method not found, invalid params, internal error.
const JSON_RPC: [i32; 5] = [-32700, -32600, -32601, -32602, -32603];

/// MCP 2026-07-28, basic, Error Codes: `HeaderMismatch` and `UnsupportedProtocolVersion`.
const MCP: [i32; 2] = [-32020, -32022];

#[test]
fn reserved_codes_are_used_as_they_are_defined() {
    for reason in Reason::ALL {
        let (code, name) = (reason.code(), reason.name());
        if (-32768..=-32000).contains(&code) {
            assert!(JSON_RPC.contains(&code) || MCP.contains(&code), "{name}: {code} is reserved and not defined");
        }
        assert_eq!(code == -32020, name.starts_with("header_"), "{name}");
        assert_eq!(code == -32022, *reason == Reason::UnsupportedProtocolVersion, "{name}");
        if MCP.contains(&code) {
            assert_eq!(reason.http_status(), 400, "{name}");
        }
    }
}
