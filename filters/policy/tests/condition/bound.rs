//! Whatever the arguments are, an evaluation ends, soon and without a trap.

use std::time::{Duration, Instant};

use meshward_policy::{Condition, Truth};

use crate::support::World;

/// As much as fits into a body of 1 MiB.
fn hostile() -> World {
    let list = (0..100_000).map(|n| (n % 10).to_string()).collect::<Vec<_>>().join(",");
    let map = (0..10_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",");
    let (big, deep) = ("a".repeat(400_000), format!("{}1{}", "[".repeat(60), "]".repeat(60)));
    World::with_arguments(format!(
        r#"{{"l": [{list}], "m": {{{map}}}, "big": "{big}", "esc": "{}", "deep": {deep}, "s": "x"}}"#,
        "\\u0061".repeat(20_000)
    ))
}

#[test]
fn work_beyond_the_bound_is_an_error() {
    let world = hostile();
    for source in [
        "args.l.all(x, args.l.all(y, x + y >= 0))",
        "!args.l.exists(x, args.l.exists(y, args.l.exists(z, x + y + z < 0)))",
        "args.l.exists_one(x, args.l.exists_one(y, x == y))",
        "size(args.l.map(x, args.l.map(y, [x, y]))) > 0",
        "size(args.l.filter(x, args.l.filter(y, y == x) != [])) > 0",
        "size(args.l.map(x, args.big + args.big)) > 0",
        "size(args.l.map(x, args.l)) > 0 && args.l.map(x, args.l) == args.l.map(x, args.l)",
        "args.big.replace('a', args.big) == ''",
        "args.big.replace('', args.big) == ''",
        "args.l.map(x, string(x)).join(args.big) == ''",
        "size(args.big.split('')) > 0",
        "args.l.all(x, args.big.split('a') != [])",
        "[args.big, args.big].map(x, x + x).map(x, x + x).map(x, x + x + x + x).size() > 0",
        "args.l.all(x, args.big.indexOf('b') == -1 && args.big.lastIndexOf('b') == -1)",
        "args.l.all(x, args.big.indexOf(args.big + 'b') == -1)",
        "args.l.all(x, args.big.contains(args.big) && args.big.upperAscii() != '')",
        "args.l.all(x, args.big == args.big && args.big <= args.big)",
        "args.l.all(x, args.l == args.l)",
        "args.l.all(x, args.m == args.m)",
        "args.m == args.m",
        "args.l.all(x, x in args.l)",
        "args.l.all(x, args.m.k9999 == 9999)",
        "args.l.all(x, args.l[99999] >= 0)",
        "args.l.all(x, args.big.matches('(a|aa)*(a|aa)*b') == false)",
        "args.big.matches('(a{0,9}){0,9}b')",
        // Failures that the crate reports with copies of the operands.
        "args.l.exists(x, args.big + x == '')",
        "args.l.exists(x, args.l + x == [])",
        "args.l.exists(x, [args.big][0.5] == 1)",
        "args.l.exists(x, {args.big: 1}[args.big] == 2)",
        "args.l.exists(x, {args.l: 1} == {})",
        "args.l.exists(x, -args.l == 1)",
        // The variable of a comprehension is copied for every turn.
        "[args.big + 'b'].all(big, args.l.all(x, [big].all(z, z != '')))",
        "args.l.all(x, args.esc == 'a')  || args.l.all(x, args.esc != 'a')",
        "jwt.roles.all(r, args.l.all(x, jwt.roles.all(s, s != '')))",
        "args.l.exists(x, x == 11) || args.l.exists(x, x == 12)",
    ] {
        let condition = Condition::compile(source).unwrap();
        let start = Instant::now();
        assert_eq!(world.evaluate(&condition), Truth::ERROR, "{source}");
        let took = start.elapsed();
        // Far more than it takes, and far less than it would take without a bound.
        assert!(took < Duration::from_secs(5), "{source}: {took:?}");
        println!("{took:>10.2?} {source}");
    }
}

#[test]
fn work_within_the_bound_is_done() {
    let world = hostile();
    for source in [
        "args.s == 'x' && size(args.l) == 100000 && size(args.m) == 10000",
        "args.m.all(k, k.startsWith('k'))",
        "args.l[99999] == 9 && args.m.k9999 == 9999 && 'k9999' in args.m",
        "args.big.contains('a') && !args.big.contains('b') && size(args.big) == 400000",
        "args.big == args.big && args.big + 'b' != args.big",
        "args.esc.matches('^a+$') && size(args.esc) == 20000",
        "args.deep == args.deep && args.deep[0][0][0] != []",
    ] {
        assert_eq!(world.truth(source), Truth::TRUE, "{source}");
    }
    let list = |n: usize| World::with_arguments(format!("{{\"l\":[{}]}}", vec!["1"; n].join(",")));
    let condition = Condition::compile("args.l.all(x, x == 1)").unwrap();
    assert_eq!(list(20_000).evaluate(&condition), Truth::TRUE);
    assert_eq!(list(60_000).evaluate(&condition), Truth::ERROR);
}

#[test]
fn the_deepest_condition_fits_a_small_stack() {
    let evaluate = || {
        let nested = |open: &str, n: usize, close: &str| format!("{}args.s == 'x'{}", open.repeat(n), close.repeat(n));
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        let world = World::with_arguments(format!(r#"{{"s": "x", "deep": {deep}}}"#));
        for source in [
            nested("[", 18, "][0]"),
            nested("bool(string(", 17, "))"),
            nested("false ? false : ", 36, ""),
            nested("true && (", 35, ")"),
            format!("[1].all(x, [x].all(y, [y].all(z, {})))", nested("[", 12, "][0]")),
            format!("args.s{} == 'x'", " + ''".repeat(36)),
        ] {
            assert_eq!(world.truth(&source), Truth::TRUE, "{source}");
        }
        assert_eq!(world.truth("args.deep == args.deep"), Truth::TRUE);
    };
    // The module's stack has 1 MiB; frames without optimisation are larger than its.
    std::thread::Builder::new().stack_size(1 << 20).spawn(evaluate).unwrap().join().unwrap();
}

#[test]
fn arguments_are_not_looked_at_where_the_rest_decides() {
    let costly = "args.l.all(x, args.l.all(y, x + y >= 0))";
    for (source, expected) in [
        (format!("{costly} && jwt.sub == 'bob'"), Truth::FALSE),
        (format!("{costly} || jwt.sub == 'alice'"), Truth::TRUE),
        (format!("!(jwt.sub == 'alice' || {costly})"), Truth::FALSE),
        (format!("jwt.sub == 'bob' ? {costly} : true"), Truth::TRUE),
        (format!("{costly} && jwt.sub == 'alice'"), Truth::ERROR),
        (format!("{costly} || jwt.sub == 'bob'"), Truth::ERROR),
        // What is beyond the bound is so whatever follows it.
        (format!("{costly} || args.s == 'x'"), Truth::ERROR),
    ] {
        assert_eq!(hostile().truth(&source), expected, "{source}");
    }
}
