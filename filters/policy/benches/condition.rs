//! Conditions on a call: on three arguments, on the caller, with lists and large arguments, and at their bound.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use meshward_engine::{KeptHeaders, Target};
use meshward_identity::Caller;
use meshward_policy::{Condition, Direction, Known, Subject};

const THREE: &str = r#"args.amount <= 100 && args.currency == "EUR" && args.reason.startsWith("dup")"#;

fn conditions(c: &mut Criterion) {
    let small = r#"{"amount": 42.5, "currency": "EUR", "reason": "duplicate order", "order": "A-1"}"#.to_owned();
    let items = (0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let list = format!(r#"{{"items": [{items}], "amount": 42.5, "currency": "EUR", "reason": "duplicate"}}"#);
    let large = format!(r#"{{"text": "{}", "amount": 42, "currency": "EUR", "reason": "dup"}}"#, "a".repeat(1 << 20));
    let Ok(claims) = serde_json::from_str(r#"{"sub": "alice", "roles": ["dev", "support"]}"#) else { return };
    let caller = Caller { claims: Some(claims), ..Caller::default() };
    let headers = KeptHeaders::default();

    let mut group = c.benchmark_group("condition");
    for (name, source, arguments) in [
        ("three-arguments", THREE, &small),
        ("three-arguments-of-1MiB", THREE, &large),
        ("role", r#"jwt.roles.exists(r, r == "support")"#, &small),
        ("role-and-argument", r#"jwt.roles.exists(r, r == "support") && args.amount <= 100"#, &small),
        ("tool", r#"mcp.tool == "refund""#, &small),
        ("one-of-three", r#"args.currency in ["USD", "GBP", "EUR"]"#, &small),
        ("pattern", r#"args.order.matches("^[A-Z]-[0-9]+$")"#, &small),
        ("list-of-1000", "args.items.all(i, i >= 0)", &list),
        ("at-the-bound", "args.items.all(i, args.items.all(j, i + j >= 0))", &list),
    ] {
        let Ok(condition) = Condition::compile(source) else { continue };
        let subject = Subject {
            method: "tools/call",
            direction: Direction::Client,
            upkeep: false,
            target: Target::Tool("refund".into()),
            is_template: false,
            client: None,
            revision: None,
            session: None,
            arguments: Known::Json(arguments),
            meta: Known::Absent,
            caller: &caller,
            headers: &headers,
        };
        group.bench_function(name, |b| b.iter(|| condition.evaluate(black_box(&subject))));
    }
    group.bench_function("compile", |b| b.iter(|| Condition::compile(black_box(THREE)).is_ok()));
    group.finish();
}

criterion_group!(benches, conditions);
criterion_main!(benches);
