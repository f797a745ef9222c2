//! A configuration is right or refused, with all its errors at once, each with its path and a remedy.

use meshward::Config;

fn errors(json: &str) -> Vec<String> {
    match Config::from_json(json.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

const SMALLEST: &str = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"/mcp"}]}"#;

#[test]
fn the_smallest_and_the_fullest_are_accepted() {
    let full = r#"{
      "apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}, {"path": "/mcp/"}], "strict": true, "header_hold": true,
      "protocol": {"max_request_bytes": "1MiB", "max_response_bytes": 4096, "max_depth": 10, "max_batch": 5, "batches": "inspect", "responses": "strict"},
      "policy": {"mode": "shadow", "default": "allow", "rules": [
        {"name": "a", "effect": "allow", "methods": ["tools/call"], "tools": ["get_*"]},
        {"name": "b", "effect": "deny", "prompts": ["x"], "resources": ["file:///*"]}]},
      "trace": {"rule": "header", "start": false, "sampling": 0.25, "proxy_span": true,
        "baggage": {"keys": ["tenant", "user.*"], "max_members": 180, "max_bytes": "4KiB"}},
      "direction": "outbound",
      "rate_limit_service": {"cluster": "limits", "domain": "d", "timeout_ms": 50},
      "limits": [{"name": "a", "key": ["tool", "principal", "args.x"], "per_second": 5, "per_minute": 50, "burst": 2, "concurrent": 3,
        "max_keys": 100, "on_full": "deny", "mode": "observe"}, {"name": "b", "tools": ["x"], "scope": "service", "on_failure": "allow"}],
      "metrics": {"collect": ["operation_duration", "series_overflow"], "labels": ["method", "endpoint"], "tools": ["a"],
        "prompts": ["b"], "max_series": 5}}"#;
    for json in [SMALLEST, full] {
        assert_eq!(errors(json), [""; 0], "{json}");
        let config = Config::from_json(json.as_bytes()).unwrap();
        for root_id in meshward::ROOT_IDS {
            assert!(config.pipeline(root_id, &|_| None).is_ok());
        }
        assert!(config.pipeline("meshward.nothing", &|_| None).is_err());
    }
}

#[test]
fn the_errors_of_limits_and_of_their_service_are_named() {
    let json = r#"{"apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}],
      "rate_limit_service": {"cluster": "", "timeout": 5},
      "limits": [{"name": "a"}, {"name": "a", "scope": "service", "burst": 1}, {"name": "B", "per_second": 1, "key": ["tools"]}]}"#;
    let expected = [
        "rate_limit_service.timeout: unknown field `timeout`",
        "rate_limit_service.cluster: name a cluster of the host's",
        "limits[0]: a limit limits something",
        "limits[1].name: another limit is called `a` too",
        "limits[1].burst: the service counts as it is configured",
        "limits[2].name: between 1 and 64 of a-z",
        "limits[2].key[0]: 1:1: undeclared variable \"tools\"",
    ];
    let errors = errors(json);
    for expected in expected {
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{expected} is not among {errors:#?}");
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
}

#[test]
fn every_error_is_named_at_once() {
    let json = r#"{
      "apiVersion": "meshward/v2", "endpoint": [], "endpoints": [{"path": "mcp"}, {"path": "/a"}, {"path": "/a"}, {"path": "/b?c"}],
      "protocol": {"max_request_bytes": "1MB", "max_depth": 1, "batches": "allow", "max_bach": 3},
      "policy": {"default": "alow", "rules": [
        {"name": "a", "effect": "allow", "tool": ["x"]},
        {"effect": "deny"},
        {"name": "c", "effect": "permit", "tools": "x"},
        {"name": "a", "effect": "deny", "tools": [], "methods": [""]},
        7]}}"#;
    let errors = errors(json);
    let expected = [
        "apiVersion: unknown version `meshward/v2`; this module reads `meshward/v1`",
        "endpoint: unknown field `endpoint` (did you mean `endpoints`?)",
        "endpoints[0].path: an endpoint is a path: begin it with `/`",
        "endpoints[2].path: this endpoint is named twice",
        "endpoints[3].path: write the path as it is sent: ASCII, percent-encoded, without query or fragment",
        "protocol.max_request_bytes: unknown unit `MB`; use `B`, `KiB`, `MiB` or `GiB`",
        "protocol.max_depth: between 2 (a message with params) and 1000",
        "protocol.batches: unknown variant `allow`, expected `refuse` or `inspect`",
        "protocol.max_bach: unknown field `max_bach` (did you mean `max_batch`?)",
        "policy.default: unknown variant `alow`, expected `allow` or `deny` (did you mean `allow`?)",
        "policy.rules[0].tool: unknown field `tool` (did you mean `tools`?)",
        "policy.rules[1].name: missing field `name`",
        "policy.rules[2].effect: unknown variant `permit`, expected `allow` or `deny`",
        "policy.rules[2].tools: invalid type: string \"x\", expected a sequence",
        "policy.rules[3].name: another rule is called `a` too",
        "policy.rules[3].tools: an empty list matches nothing: name something, or leave it out",
        "policy.rules[3].methods[0]: an empty pattern matches nothing; `*` matches all",
        "policy.rules[4]: invalid type: integer `7`, expected struct RuleConfig",
    ];
    for expected in expected {
        assert!(errors.iter().any(|error| error == expected), "missing: {expected}\nfound:\n{}", errors.join("\n"));
    }
    assert_eq!(errors.len(), expected.len(), "{}", errors.join("\n"));
}

#[test]
fn every_error_of_the_trace_section_is_named_at_once() {
    let json = SMALLEST.replace(
        "\"endpoints\"",
        r#""trace": {"rule": "mata", "start": "no", "sampling": 1.5, "samping": 1,
            "baggage": {"keys": ["a", ""], "max_members": 0, "max_bytes": 8193}},"endpoints""#,
    );
    let expected = [
        "trace.rule: unknown variant `mata`, expected one of `convention`, `meta`, `header`, `restart` (did you mean `meta`?)",
        "trace.start: invalid type: string \"no\", expected a boolean",
        "trace.samping: unknown field `samping` (did you mean `sampling`?)",
        "trace.sampling: between 0 (none) and 1 (all)",
        "trace.baggage.keys[1]: an empty pattern matches nothing; `*` matches all",
        "trace.baggage.max_members: between 1 and 180; `keys: []` lets no baggage go on",
        "trace.baggage.max_bytes: between 1 and 8192 bytes; `keys: []` lets no baggage go on",
    ];
    let found = errors(&json);
    for expected in expected {
        assert!(found.iter().any(|error| error == expected), "missing: {expected}\nfound:\n{}", found.join("\n"));
    }
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n"));
}

#[test]
fn every_error_of_the_audit_section_is_named_at_once() {
    let json = SMALLEST.replace(
        "\"endpoints\"",
        r#""audit": {"output": "file", "session": "hash", "redakt": [], "redact": ["ok", "", "/card", "arguments/card", "/arguments/a~2"],
            "max_record_bytes": "1KiB", "max_records": 0}, "spans": {"session": "both"}, "endpoints""#,
    );
    let expected = [
        "audit.output: unknown variant `file`, expected one of `filter_state`, `log`, `both`",
        "audit.redakt: unknown field `redakt` (did you mean `redact`?)",
        "audit.redact[1]: name a member (`card_number`), or a place (`/arguments/card/number`)",
        "audit.redact[2]: a path begins with `/arguments` or `/result`",
        "audit.redact[3]: a path begins with `/`: `/arguments/card/number`",
        "audit.redact[4]: in a path `~` is written `~0`, and `/` in a name `~1` (RFC 6901)",
        "audit.max_record_bytes: between 2KiB and 256KiB",
        "audit.max_records: between 1 and 1000",
        "spans.session: unknown variant `both`, expected one of `hash`, `plain`, `omit`",
    ];
    let found = errors(&json);
    for expected in expected {
        assert!(found.iter().any(|error| error == expected), "missing: {expected}\nfound:\n{}", found.join("\n"));
    }
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n"));
}

#[test]
fn every_error_of_the_metrics_section_is_named_at_once() {
    let json = SMALLEST.replace(
        "\"endpoints\"",
        r#""direction": "sideways", "metrics": {"collect": [], "labels": ["method", "session"], "tools": ["a", "get_*"],
            "prompts": [""], "max_series": 0, "max_serie": 1},"endpoints""#,
    );
    let expected = [
        "direction: unknown variant `sideways`, expected `inbound` or `outbound`",
        "metrics.max_serie: unknown field `max_serie` (did you mean `max_series`?)",
        "metrics.max_series: between 1 and 100000",
        "metrics.collect: an empty list measures nothing: name a metric, or leave `metrics` out",
        "metrics.tools[1]: write a name; patterns would let callers choose values",
        "metrics.prompts[0]: write a name; patterns would let callers choose values",
    ];
    let found = errors(&json);
    for expected in expected {
        assert!(found.iter().any(|error| error == expected), "missing: {expected}\nfound:\n{}", found.join("\n"));
    }
    let label = found.iter().find(|error| error.starts_with("metrics.labels[1]: unknown variant `session`"));
    assert!(label.is_some_and(|error| error.contains("`status_code`")), "{}", found.join("\n"));
    assert_eq!(found.len(), expected.len() + 1, "{}", found.join("\n"));
}

#[test]
fn what_is_not_a_document_is_one_error() {
    for (json, begins) in
        [("", ".: not a JSON document: "), ("{", ".: not a JSON document: "), ("[]", ".: a configuration is an object")]
    {
        let errors = errors(json);
        assert!(!errors.is_empty() && errors[0].starts_with(begins), "{json}: {errors:?}");
    }
    assert_eq!(errors("{}"), ["apiVersion: missing field `apiVersion`", "endpoints: missing field `endpoints`"]);
}

#[test]
fn bounds_hold_at_their_edges() {
    let with = |section: &str| SMALLEST.replace("\"endpoints\"", &format!("\"protocol\":{{{section}}},\"endpoints\""));
    for (section, accepted) in [
        ("\"max_depth\":1", false),
        ("\"max_depth\":2", true),
        ("\"max_depth\":1000", true),
        ("\"max_depth\":1001", false),
        ("\"max_batch\":0", false),
        ("\"max_batch\":1", true),
        ("\"max_batch\":1000", true),
        ("\"max_batch\":1001", false),
        ("\"max_request_bytes\":0", false),
        ("\"max_request_bytes\":1", true),
        ("\"max_request_bytes\":\"256MiB\"", true),
        ("\"max_request_bytes\":268435457", false),
    ] {
        assert_eq!(errors(&with(section)).is_empty(), accepted, "{section}");
    }
    let trace = |section: &str| SMALLEST.replace("\"endpoints\"", &format!("\"trace\":{{{section}}},\"endpoints\""));
    let metrics =
        |section: &str| SMALLEST.replace("\"endpoints\"", &format!("\"metrics\":{{{section}}},\"endpoints\""));
    let tools = |n: usize| format!("\"tools\":[{}]", vec!["\"t\""; n].join(","));
    for (section, accepted) in [
        ("\"max_series\":1", true),
        ("\"max_series\":100000", true),
        ("\"max_series\":100001", false),
        (&*tools(10_000), true),
        (&*tools(10_001), false),
    ] {
        assert_eq!(errors(&metrics(section)).is_empty(), accepted, "{section}");
    }
    let keys = |n: usize| format!("\"baggage\":{{\"keys\":[{}]}}", vec!["\"k\""; n].join(","));
    for (section, accepted) in [
        ("\"sampling\":0", true),
        ("\"sampling\":-0.001", false),
        ("\"sampling\":1", true),
        ("\"sampling\":1.001", false),
        ("\"baggage\":{\"max_members\":1}", true),
        ("\"baggage\":{\"max_members\":180}", true),
        ("\"baggage\":{\"max_members\":181}", false),
        ("\"baggage\":{\"max_bytes\":0}", false),
        ("\"baggage\":{\"max_bytes\":1}", true),
        ("\"baggage\":{\"max_bytes\":\"8KiB\"}", true),
        (&*keys(64), true),
        (&*keys(65), false),
        ("\"baggage\":{\"keys\":[]}", true),
    ] {
        assert_eq!(errors(&trace(section)).is_empty(), accepted, "{section}");
    }
    let endpoints = |n: usize| {
        let paths: Vec<_> = (0..n).map(|i| format!("{{\"path\":\"/{i}\"}}")).collect();
        errors(&format!("{{\"apiVersion\":\"meshward/v1\",\"endpoints\":[{}]}}", paths.join(","))).is_empty()
    };
    assert_eq!([endpoints(0), endpoints(1), endpoints(64), endpoints(65)], [false, true, true, false]);
}

/// What holds keys shows none of them, and no error does.
#[test]
fn no_key_is_shown() {
    const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\\n-----END PRIVATE KEY-----";
    // The keys themselves, as text, as bytes and in hexadecimal digits.
    let shown = |text: &str| {
        let forms = [
            "MDEyMzQ1",
            "0123456789012345",
            "30313233343536",
            "48, 49, 50, 51, 52",
            "MC4CAQAw",
            "n4Ni-HpISpVO",
            "n4Ni+HpISpVO",
            "9f8362f87a484a95",
            "159, 131, 98, 248",
        ];
        forms.iter().any(|form| text.contains(form))
    };
    assert!(shown(SECRET) && shown(PRIVATE) && shown(&format!("{:?}", b"0123456789")));
    let document = |secret: &str, private: &str| {
        format!(
            r#"{{"apiVersion":"meshward/v1","endpoints":[{{"path":"/mcp"}}],"header_hold":true,"replay":{{
            "sessions":{{"event_ids":true,"keys":[{{"id":"a","secret":{secret}}},{{"id":"b","env":"SHARED"}}]}},
            "request_state":{{"keys":[{{"id":"a","secret":{secret}}}]}},
            "tasks":{{"keys":[{{"id":"a","secret":{secret}}},{{"id":"b","env":"SHARED"}}]}},
            "signatures":{{"verify":{{"keys":[{{"id":"a","algorithm":"hmac-sha256","secret":{secret}}},{{"id":"b","algorithm":"hmac-sha256","env":"SHARED"}}]}},
              "sign":{{"key":{{"id":"a","algorithm":"ed25519","secret":{private}}}}}}}}}}}"#
        )
    };
    let quoted = |text: &str| format!("\"{text}\"");
    let good = document(&quoted(SECRET), &quoted(PRIVATE));
    assert_eq!(errors(&good), [""; 0]);
    let config = Config::from_json(good.as_bytes()).unwrap();
    let pipeline = config.pipeline("meshward", &|name| (name == "SHARED").then(|| SECRET.to_owned())).unwrap();
    let text = format!("{config:?} {config:#?} {pipeline:?} {pipeline:#?}");
    assert!(text.contains("Secret") && !shown(&text), "{text}");
    // Keys that are none, by their type, their letters, and their kind.
    for (secret, private) in [
        (format!("[{SECRET:?}]"), quoted(PRIVATE)),
        (format!("{{{SECRET:?}:1}}"), format!("{{{SECRET:?}:1}}")),
        (quoted(&format!("!{SECRET}")), quoted(SECRET)),
        ("123456789012345".to_owned(), "123456789012345".to_owned()),
        (quoted(PRIVATE), quoted(&format!("{PRIVATE}x"))),
        (quoted("MDEyMzQ1Njc4"), quoted("MC4CAQAwBQYDK2VwBCIEIJ")),
    ] {
        let errors = errors(&document(&secret, &private)).join("\n");
        assert!(!errors.is_empty() && !shown(&errors) && !errors.contains("123456789"), "{errors}");
    }
    for variable in [None, Some("MDEyMzQ1Njc4"), Some(PRIVATE)] {
        let refused = config.pipeline("meshward", &|_| variable.map(str::to_owned)).unwrap_err();
        assert!(!shown(&format!("{refused} {refused:?}")), "{refused}");
    }
}
