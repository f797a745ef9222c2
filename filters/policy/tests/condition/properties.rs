//! What holds of every condition: it never traps, and what it says without the arguments it says with any.

use meshward_policy::{Condition, Known, Object, Truth};
use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Reader};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::World;

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "false",
            "0",
            "-1",
            "1",
            "2",
            "1.0",
            "0.5",
            "-0.0",
            "1e2",
            "1e308",
            "1e999",
            "\"\"",
            "\"a\"",
            "\"ab\"",
            "\"ä\\u0061\\ud83d\\ude00\"",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "9007199254740993",
            "{}",
            "[]",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no other", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|elements| format!("[{}]", elements.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!(r#"{{"a": {a}, "b": {b}}}"#)),
            (inner.clone(), inner).prop_map(|(a, l)| format!(r#"{{"a":{a},"l":[{l}],"s":"ab"}}"#)),
        ]
    })
}

fn arguments() -> impl Strategy<Value = String> {
    (json(), json(), json()).prop_map(|(a, b, l)| format!(r#"{{"a": {a}, "b": {b}, "l": [{l}, 1, "a"], "s": "abc"}}"#))
}

/// Texts of the shape of conditions, with operands of any types: `dyn` hides them from the checker.
fn expression() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "args",
        "args.a",
        "args.b",
        "args.l",
        "args.s",
        "args.none",
        "args.l[0]",
        "args.a.b",
        "meta",
        "meta.progressToken",
        "jwt",
        "jwt.sub",
        "jwt.roles",
        "jwt.level",
        "jwt.none",
        "mcp.tool",
        "mcp.uri",
        "peer.id",
        "request.headers",
        "request.headers.x",
        "request.headers['x-env']",
        "true",
        "false",
        "null",
        "0",
        "1",
        "-1",
        "2u",
        "0.5",
        "1e300",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615u",
        "'a'",
        "''",
        "'ab'",
        "b'a'",
        "[]",
        "{}",
        "['a', 'b']",
        "[1, 2.0]",
        "{'a': 1}",
        "int",
        "string",
    ])
    .prop_map(|leaf| format!("dyn({leaf})"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let binary =
            select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||", "&&", "||"]);
        let function = select(vec!["size", "int", "uint", "double", "string", "bytes", "bool", "type", "!", "-"]);
        let method = select(vec![
            "contains",
            "startsWith",
            "endsWith",
            "indexOf",
            "lastIndexOf",
            "split",
            "charAt",
            "substring",
            "join",
        ]);
        let short = select(vec!["lowerAscii", "upperAscii", "trim", "size", "join"]);
        let comprehension = select(vec!["all", "exists", "exists_one", "map", "filter"]);
        let variable = select(vec!["x", "y"]);
        let any = || inner.clone();
        prop_oneof![
            3 => (any(), binary, any()).prop_map(|(a, sign, b)| format!("dyn({a} {sign} {b})")),
            1 => (function, any()).prop_map(|(f, a)| format!("dyn({f}({a}))")),
            1 => (any(), method, any()).prop_map(|(a, f, b)| format!("dyn({a}.{f}({b}))")),
            1 => (any(), short).prop_map(|(a, f)| format!("dyn({a}.{f}())")),
            2 => (any(), comprehension, variable, any())
                .prop_map(|(a, f, x, b)| format!("dyn({a}.{f}({x}, {}))", b.replace("args.a", x).replace("'a'", x))),
            1 => (any(), any(), any()).prop_map(|(a, b, c)| format!("dyn({a} ? {b} : {c})")),
            1 => (any(), any(), any()).prop_map(|(a, b, c)| format!("dyn({a}.replace({b}, {c}))")),
            1 => (any(), any()).prop_map(|(a, b)| format!("dyn({a}[{b}])")),
            1 => (any(), any()).prop_map(|(a, b)| format!("dyn([{a}, {b}])")),
            1 => (any(), any()).prop_map(|(a, b)| format!("dyn({{{a}: {b}}})")),
            1 => any().prop_map(|a| format!("dyn({a}.a)")),
            1 => any().prop_map(|a| format!("has({a}.a)")),
            1 => any().prop_map(|a| format!("matches({a}, '^a+')")),
        ]
    })
}

/// What is most often boolean.
fn condition() -> impl Strategy<Value = String> {
    let sign = select(vec!["==", "!=", "<", ">="]);
    let sensible = select(vec![
        "args.a == args.b",
        "args.a == 1",
        "args.a != 'ab'",
        "args.s == 'abc'",
        "args.s.contains('b')",
        "args.a < args.b",
        "args.l.exists(x, x == args.a)",
        "args.l.all(x, x != args.b)",
        "1 in args.l",
        "args.l == [null, 1, 'a']",
        "size(args.l) == 3",
        "has(args.a)",
        "has(args.none)",
        "has(args.a.b) && args.a.b == 1",
        "args == args",
        "'a' in args",
        "jwt.level > 2",
        "jwt.sub == 'bob'",
        "'dev' in jwt.roles",
        "jwt.roles.exists(r, r == args.a)",
        "mcp.tool == 'refund'",
        "has(meta.progressToken)",
        "request.headers['x-env'] == 'prod'",
        "args.l.map(x, x == 1) == [false, true, false]",
        "string(args.a).matches('^[0-9]+$')",
        "int(args.a) >= 0",
        "args.l.exists_one(x, x == 'a')",
        "jwt.none == 1",
    ])
    .prop_map(|source| format!("({source})"));
    let boolean = prop_oneof![
        2 => (expression(), sign, expression()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
        1 => expression(),
        4 => sensible,
    ];
    let logic = select(vec!["&&", "||"]);
    prop_oneof![
        boolean.clone(),
        (boolean.clone(), logic.clone(), boolean.clone()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (boolean.clone(), logic, boolean.clone()).prop_map(|(a, sign, b)| format!("!({a} {sign} !{b})")),
        (boolean.clone(), boolean.clone(), boolean).prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
    ]
}

/// Comparisons of what a condition's own operators look at without the crate.
fn resolved() -> impl Strategy<Value = String> {
    let value = select(vec![
        "args.a",
        "args.b",
        "args.l",
        "args.s",
        "args.none",
        "args.a.b",
        "args",
        "meta.progressToken",
        "jwt.sub",
        "jwt.roles",
        "jwt.level",
        "jwt.big",
        "mcp.tool",
        "peer.address",
        "request.headers.x",
        "request.headers['x-env']",
        "request.headers['x-team']",
        "null",
        "true",
        "0",
        "-1",
        "2u",
        "0.5",
        "9007199254740993",
        "9223372036854775807",
        "18446744073709551615u",
        "'ab'",
        "b'ab'",
        "size(args.a)",
        "size(args.s)",
        "args.l.size()",
    ]);
    let sign = select(vec!["==", "!=", "<", "<=", ">", ">=", "in"]);
    let list =
        select(vec!["['ab', 'prod']", "[1, 2.0, 2u]", "[null, true, 'a', 0.5]", "[b'ab', 1]", "[]", "[args.b, 1]"]);
    prop_oneof![
        3 => (value.clone(), sign, value.clone()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        1 => (value, list).prop_map(|(a, list)| format!("{a} in {list}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_compiler_panic(source in "[a-z0-9 .,:?!=<>+*/%&|(){}\\[\\]'\"\\\\r\\n\u{e4}-]{0,60}") {
        let _ = Condition::compile(&source);
    }

    #[test]
    fn what_is_decided_without_arguments_is_decided_so_with_any(
        source in condition(),
        one in arguments(),
        other in json(),
    ) {
        let Ok(condition) = Condition::compile(&source) else { return Ok(()) };
        let open = World { arguments: Known::Unknown, meta: Known::Unknown, ..World::default() };
        let without = open.evaluate(&condition);
        for world in [World::with_arguments(one), World::with_arguments(other), World::default()] {
            let with = world.evaluate(&condition);
            prop_assert!(with.is_one());
            // It is one of those that were possible.
            prop_assert!(!with.can_be_true() || without.can_be_true());
            prop_assert!(!with.can_be_false() || without.can_be_false());
            prop_assert!(!with.can_fail() || without.can_fail());
            prop_assert_eq!(world.evaluate(&condition), with);
        }
    }

    /// What is resolved when a condition is compiled says the same as the crate does where it evaluates.
    #[test]
    fn what_is_resolved_says_what_the_crate_says(source in resolved(), arguments in arguments()) {
        let hidden = format!("dyn({source})");
        let (Ok(resolved), Ok(evaluated)) = (Condition::compile(&source), Condition::compile(&hidden)) else {
            return Ok(());
        };
        for world in [World::with_arguments(arguments), World::default()] {
            prop_assert_eq!(world.evaluate(&resolved), world.evaluate(&evaluated), "{}", source);
        }
    }

    /// Whether the reader has told where the members are, or they are looked for.
    #[test]
    fn members_are_the_same_however_they_are_found(source in condition(), arguments in arguments()) {
        let Ok(condition) = Condition::compile(&source) else { return Ok(()) };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"refund","arguments":{arguments}}}}}"#
        );
        let Ok(Body::One(message)) = Reader::new(Limits::default()).keeping_arguments(true).read(body.as_bytes()) else {
            return Ok(());
        };
        let (span, members) = (message.arguments().unwrap(), message.argument_members().unwrap());
        let told = Known::Object(Object { text: message.text(), span, members });
        let looked_for = World::with_arguments(arguments);
        prop_assert_eq!(looked_for.evaluate_on(&condition, told), looked_for.evaluate(&condition), "{}", source);
    }

    #[test]
    fn numbers_are_ordered_by_value(one in any::<i64>(), shift in 0..12_u32, near in -2..3_i64) {
        // Doubles near integers, where rounding would show.
        let one = one >> shift.saturating_mul(5);
        let double = (one.saturating_add(near)) as f64;
        let condition = |sign: &str| Condition::compile(&format!("args.i {sign} args.d")).unwrap();
        let world = World::with_arguments(format!(r#"{{"i": {one}, "d": {double:e}}}"#));
        let expected = i128::from(one).cmp(&(double as i128));
        let truth = |holds: bool| if holds { Truth::TRUE } else { Truth::FALSE };
        prop_assert_eq!(world.evaluate(&condition("==")), truth(expected.is_eq()));
        prop_assert_eq!(world.evaluate(&condition("!=")), truth(expected.is_ne()));
        prop_assert_eq!(world.evaluate(&condition("<")), truth(expected.is_lt()));
        prop_assert_eq!(world.evaluate(&condition(">=")), truth(expected.is_ge()));
    }
}

/// So that the properties are of something.
#[test]
fn enough_of_the_conditions_compile_and_are_decided() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut compiled, mut decided) = (0_usize, 0_usize);
    for _ in 0..2000 {
        let source = condition().new_tree(&mut runner).unwrap().current();
        let arguments = arguments().new_tree(&mut runner).unwrap().current();
        if let Ok(condition) = Condition::compile(&source) {
            compiled = compiled.saturating_add(1);
            let truth = World::with_arguments(arguments).evaluate(&condition);
            decided = decided.saturating_add(usize::from(truth != Truth::ERROR));
        }
    }
    assert!(compiled > 1000 && decided > 400, "{compiled} compiled, {decided} decided");
}
