use serde_json::{Value, json};

use super::*;

fn compile(limits: Value, service: bool) -> Result<Limits, Vec<(String, String)>> {
    let configs: Vec<LimitConfig> = serde_json::from_value(limits).unwrap();
    let service =
        service.then(|| RateLimitServiceConfig { cluster: "c".to_owned(), domain: "d".to_owned(), timeout_ms: 1 });
    Limits::compile(&configs, service.as_ref(), &["x-user".to_owned()])
}

fn paths(limits: Value, service: bool) -> Vec<String> {
    compile(limits, service)
        .map(|_| Vec::new())
        .unwrap_or_else(|faults| faults.into_iter().map(|fault| fault.0).collect())
}

#[test]
fn sound_limits_compile_and_say_what_they_look_at() {
    let limits = json!([
        {"name": "a", "per_second": 1},
        {"name": "b_2-c", "per_minute": 1_000_000, "burst": 1_000_000, "max_keys": 1_000_000, "on_full": "deny", "mode": "observe"},
        {"name": "c", "concurrent": 1, "tools": ["x*"], "methods": ["tools/call"], "principals": ["spiffe://*"], "on_failure": "allow"},
        {"name": "d", "scope": "service", "key": ["tool", "jwt.tenant", "args.repo", "request.headers['x-team']"]},
        {"name": "e", "scope": "service", "per_minute": 5},
    ]);
    let limits = compile(limits, true).unwrap();
    assert_eq!(limits.limits.len(), 5);
    assert_eq!(limits.wanted, Wanted { peer: true, source: false, claims: true });
    assert!(limits.looks_into_arguments);
    assert!(limits.headers.wants(b"x-team") && !limits.headers.wants(b"x-other"));
    let principal = compile(json!([{"name": "a", "key": ["principal"], "concurrent": 3}]), false).unwrap();
    assert_eq!(principal.wanted, Wanted { peer: true, source: true, claims: true });
    assert!(!principal.looks_into_arguments);
}

#[test]
fn faults_come_with_their_path() {
    for (limit, expected) in [
        (json!({"name": "a"}), vec![""]),
        (json!({"name": "", "per_second": 1}), vec![".name"]),
        (json!({"name": "A", "per_second": 1}), vec![".name"]),
        (json!({"name": "a/b", "per_second": 1}), vec![".name"]),
        (json!({"name": "a".repeat(65), "per_second": 1}), vec![".name"]),
        (
            json!({"name": "a", "per_second": 0, "per_minute": 0, "burst": 0, "concurrent": 0, "max_keys": 0}),
            vec![".per_second", ".per_minute", ".burst", ".concurrent", ".max_keys"],
        ),
        (json!({"name": "a", "per_second": 1_000_001}), vec![".per_second"]),
        (json!({"name": "a", "concurrent": 1, "burst": 1}), vec![".burst"]),
        (json!({"name": "a", "per_second": 1, "key": ["tools"]}), vec![".key[0]"]),
        (json!({"name": "a", "per_second": 1, "key": ["tool", "mcp.client"]}), vec![".key[1]"]),
        (json!({"name": "a", "per_second": 1, "key": ["[1]"]}), vec![".key[0]"]),
        (
            json!({"name": "a", "per_second": 1, "key": ["tool", "tool", "tool", "tool", "tool", "tool", "tool", "tool", "tool"]}),
            vec![".key"],
        ),
        (json!({"name": "a", "per_second": 1, "when": "mcp.client == 'x'"}), vec![".when"]),
        (json!({"name": "a", "per_second": 1, "when": "arg.x", "tools": []}), vec![".when", ".tools"]),
        (
            json!({"name": "a", "per_second": 1, "principals": [{"headers": {"x-other": "a"}}]}),
            vec![".principals[0].headers.x-other"],
        ),
        (json!({"name": "a", "scope": "service"}), vec![".scope"]),
    ] {
        let expected: Vec<_> = expected.iter().map(|path| format!("limits[0]{path}")).collect();
        assert_eq!(paths(json!([limit]), false), expected, "{limit}");
    }
    for (limit, expected) in [
        (
            json!({"burst": 1, "concurrent": 1, "max_keys": 1, "on_full": "deny"}),
            vec!["burst", "concurrent", "max_keys", "on_full"],
        ),
        (json!({"per_second": 1, "per_minute": 1}), vec!["per_minute"]),
    ] {
        let mut of_service = limit.clone();
        of_service["name"] = json!("a");
        of_service["scope"] = json!("service");
        let expected: Vec<_> = expected.iter().map(|path| format!("limits[0].{path}")).collect();
        assert_eq!(paths(json!([of_service]), true), expected, "{limit}");
    }
    let twice = json!([{"name": "a", "per_second": 1}, {"name": "a", "per_minute": 1}]);
    assert_eq!(paths(twice, false), ["limits[1].name"]);
    let many: Vec<_> = (0..65).map(|number| json!({"name": format!("a{number}"), "per_second": 1})).collect();
    assert_eq!(paths(json!(many), false), ["limits"]);
}

#[test]
fn unknown_members_are_refused() {
    for faulty in [
        json!({"name": "a", "per_hour": 1}),
        json!({"name": "a", "clients": ["x"]}),
        json!({"name": "a", "on_failure": "ask"}),
        json!({"name": "a", "scope": "cluster"}),
        json!({"per_second": 1}),
    ] {
        assert!(serde_json::from_value::<LimitConfig>(faulty.clone()).is_err(), "{faulty}");
    }
}
