//! What is said of a condition that cannot be meant, and where; what a condition wants.

use meshward_engine::HeaderDemand;
use meshward_policy::{Condition, Wants};

use crate::support::{World, errors};

#[test]
fn undeclared_names_are_errors_with_a_suggestion() {
    for (source, error) in [
        ("arg.amount < 5", r#"1:1: undeclared variable "arg" (did you mean "args"?)"#),
        ("  amount < 5", r#"1:3: undeclared variable "amount""#),
        ("true &&\n  jtw.sub == 'x'", r#"2:3: undeclared variable "jtw" (did you mean "jwt"?)"#),
        ("mcp.tools == 'x'", r#"1:5: undeclared field "mcp.tools" (did you mean "tool"?)"#),
        ("mcp['tol'] == 'x'", r#"1:5: undeclared field "mcp.tol" (did you mean "tool"?)"#),
        ("peer.spiffe == 'x'", r#"1:6: undeclared field "peer.spiffe""#),
        ("request.header['x'] == 'x'", r#"1:9: undeclared field "request.header" (did you mean "headers"?)"#),
        ("sizes(args.a) > 1", r#"1:1: undeclared function "sizes" (did you mean "size"?)"#),
        ("args.a.startswith('x')", r#"1:8: undeclared function "startswith" (did you mean "startsWith"?)"#),
        ("args.a.exist(x, x == 1)", r#"1:8: undeclared function "exist" (did you mean "exists"?)"#),
        ("args.a.all(x, y == 1)", r#"1:15: undeclared variable "y" (did you mean "x"?)"#),
    ] {
        assert_eq!(errors(source), [error], "{source}");
    }
}

#[test]
fn all_errors_are_told_at_once() {
    assert_eq!(errors("arg.a == 1 && sze(args.b) > 1 || mcp.x == ''").len(), 3);
}

#[test]
fn calls_are_checked() {
    for (source, error) in [
        ("size() > 1", r#"1:1: "size" takes 1 argument, not 0"#),
        ("size(args.a, 1) > 1", r#"1:1: "size" takes 1 argument, not 2"#),
        ("args.a.size(1) > 1", r#"1:8: "size" takes 0 arguments, not 1"#),
        ("args.a.contains('x', 'y')", r#"1:8: "contains" takes 1 argument, not 2"#),
        ("args.a.substring() == ''", r#"1:8: "substring" takes 1 or 2 arguments, not 0"#),
        ("contains(args.a, 'x')", r#"1:1: "contains" is called on a value, as x.contains(…)"#),
        ("args.a.int() == 1", r#"1:8: "int" is called as int(x), not on a value"#),
        ("exists(args.a, x, x)", r#"1:1: "exists" is called on a list or map, as args.list.exists(…)"#),
        ("args.a.exists(x)", r#"1:8: "exists" takes 2 arguments, not 1"#),
        ("args.a.map(x) == []", r#"1:8: "map" takes 2 or 3 arguments, not 1"#),
        ("args.a.exists(x.y, true)", "1:16: argument must be a simple name"),
        ("args.a.exists(jwt, true)", r#"1:15: "jwt" has a meaning already, choose another name"#),
        ("has(args)", "1:5: invalid argument to has() macro"),
        ("has()", r#"1:1: "has" takes 1 argument, not 0"#),
        ("mcp.tool.matches(args.p)", r#"1:18: the pattern of "matches" must be a constant string"#),
        ("matches(mcp.tool, '(')", r#"1:19: the pattern of "matches": found open group without closing ')'"#),
        ("int('x') == 1", r#"1:1: this "int" fails whatever the message is"#),
        ("'ab'.charAt(3) == ''", r#"1:6: this "charAt" fails whatever the message is"#),
        ("timestamp('2026-07-28T00:00:00Z') == args.t", r#"1:1: undeclared function "timestamp""#),
        ("'%s'.format([args.t]) == ''", r#"1:6: undeclared function "format""#),
    ] {
        assert_eq!(errors(source), [error], "{source}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (source, error) in [
        ("mcp.tool", "1:1: a condition must be bool, this is string"),
        ("1 + 2", "1:1: a condition must be bool, this is int"),
        ("size(args.a)", "1:1: a condition must be bool, this is int"),
        ("args.a ? 'x' : true", "1:10: a condition must be bool, this is string"),
        ("mcp.tool && true", r#"1:1: "&&" must be bool, this is string"#),
        ("!mcp.tool", r#"1:2: "!" must be bool, this is string"#),
        ("mcp.tool == 5", r#"1:10: "==" is not for string and int"#),
        ("args == 5", r#"1:6: "==" is not for map and int"#),
        ("mcp.tool < 5", r#"1:10: "<" is not for string and int"#),
        ("mcp.tool + 1 == ''", r#"1:10: "+" is not for string and int"#),
        ("1 + 1.0 == 2.0", r#"1:3: "+" is not for int and double"#),
        ("mcp.tool in 'refund'", r#"1:10: "in" is not for string and string"#),
        ("-mcp.tool == 1", r#"1:1: "-" is for numbers, not string"#),
        ("mcp.tool.x == 1", r#"1:10: string has no member "x""#),
        ("size(5) == 1", r#"1:6: "size" is for string or bytes or list or map, not int"#),
        (
            "mcp == args",
            r#"1:1: "mcp" is no value by itself, name one of its fields: method, tool, prompt, uri, client, revision, session, direction"#,
        ),
        ("mcp[args.a] == ''", r#"1:1: the fields of "mcp" are named by constants"#),
        (
            "request.headers['X-Env'] == 'prod'",
            r#"1:17: the names of header fields are lower case (did you mean "x-env"?)"#,
        ),
    ] {
        assert_eq!(errors(source), [error], "{source}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    for (source, error) in [
        ("", "1:1: Syntax error: mismatched input '<EOF>' expecting expression"),
        ("args.a <", "1:9: Syntax error: mismatched input '<EOF>' expecting expression"),
        ("args.a < 5)", "1:11: Syntax error: mismatched input ')' expecting <EOF>"),
        ("args. == 5", "1:7: expected identifier after '.'"),
        ("args.a = 5", "1:8: Syntax error: mismatched input '=' expecting <EOF>"),
        ("args.a & true", "1:8: unexpected single '&', expected '&&'"),
        ("args.a == 'x", "1:11: unterminated string literal"),
        ("args.a == '\\q'", "1:11: unable to unescape string"),
        ("args.a == 5x", "1:11: int literal has unexpected trailing characters"),
        ("args.a == 99999999999999999999", "1:11: invalid int literal"),
        ("args.a == 9223372036854775808", "1:11: invalid int literal"),
        ("args.a == 1e400", "1:11: invalid double literal"),
        ("if == 5", "1:1: reserved identifier: if"),
        ("args.ä == 5", "1:6: unexpected character"),
        ("'ä' == args.b #", "1:15: unexpected character"),
        ("args.a ? true", "1:14: expected ':' in conditional expression"),
        ("[1, 2 == args.a", "1:16: expected ']'"),
        ("msg{a: 1} == 5", "1:1: conditions have no messages"),
        ("args.?a == 5", "1:5: unsupported syntax '.?'"),
    ] {
        assert_eq!(errors(source).first().map(String::as_str), Some(error), "{source}");
    }
}

#[test]
fn sizes_are_bounded() {
    let deep = |n: usize| format!("{}true{}", "[".repeat(n), "][0]".repeat(n));
    let chain = |n: usize| format!("args{} == 1", ".a".repeat(n));
    let sum = |n: usize| format!("args.a == 1{}", " + 1".repeat(n));
    let terms = |n: usize| format!("true{}", "&&true".repeat(n));
    for (source, bound) in [(deep(19), deep(20)), (chain(38), chain(39)), (sum(38), sum(39))] {
        assert!(Condition::compile(&source).is_ok(), "{source} {:?}", Condition::compile(&source).err());
        let error = errors(&bound).remove(0);
        assert!(error.ends_with("a condition may have 40 levels of nesting"), "{error}");
    }
    assert!(Condition::compile(&terms(511)).is_ok());
    assert_eq!(errors(&terms(512)), ["1:3073: a condition may have 1024 words"]);
    let padded = |n: usize| format!("true{}", " ".repeat(n - 4));
    assert!(Condition::compile(&padded(4096)).is_ok());
    assert_eq!(errors(&padded(4097)), ["1:1: a condition may have 4096 bytes, not 4097"]);
    assert!(Condition::compile("args.a.all(x, x.all(y, y.all(z, z)))").is_ok());
    let loops = "args.a.all(x, x.all(y, y.all(z, z.all(w, w))))";
    assert_eq!(errors(loops), ["1:35: comprehensions may be nested 3 deep"]);
    let error = errors("mcp.tool.matches('a{1000}{1000}')").remove(0);
    assert!(error.starts_with("1:18: the pattern of \"matches\": "), "{error}");
}

#[test]
fn nothing_that_is_written_overflows_the_stack() {
    let write =
        |before: &str, n: usize, middle: &str, after: &str| format!("{}{middle}{}", before.repeat(n), after.repeat(n));
    let mut sources = vec![
        format!("args{} == 1", ".a".repeat(500)),
        format!("args{} == 1", "[0]".repeat(300)),
        format!("args{} == 1", ".a()".repeat(250)),
        format!("1{} == 1", "+1".repeat(500)),
        format!("1{} == 1", "-1".repeat(500)),
        format!("{}true", "true?true:".repeat(250)),
        format!("{}true{}", "true?".repeat(250), ":true".repeat(250)),
        format!("{}true", "!-".repeat(500)),
        format!("true{}", "&&true".repeat(500)),
        format!("{}true{}", "args.a.all(x,".repeat(120), ")".repeat(120)),
    ];
    for (before, after) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("size(", ")"), ("-(", ")"), ("!(", ")")] {
        sources.extend([write(before, 30, "true", after), write(before, 200, "true", after), before.repeat(500)]);
    }
    let check = move || {
        for source in sources {
            let _ = Condition::compile(&source).map(|condition| World::default().evaluate(&condition));
        }
    };
    // The module's stack has 1 MiB; frames without optimisation are larger than its.
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).unwrap().join().unwrap();
}

#[test]
fn a_condition_says_what_it_wants() {
    let wants = |source: &str| Condition::compile(source).unwrap().wants().clone();
    assert_eq!(wants("mcp.tool == 'x' && request.path == '/'"), Wants::default());
    assert_eq!(wants("args.a == 1"), Wants { arguments: true, ..Wants::default() });
    assert_eq!(wants("has(meta.a)"), Wants { meta: true, ..Wants::default() });
    assert_eq!(wants("size(jwt) > 0"), Wants { claims: true, ..Wants::default() });
    assert_eq!(wants("peer.id == ''"), Wants { peer: true, ..Wants::default() });
    assert_eq!(wants("has(peer.address)"), Wants { source: true, ..Wants::default() });
    let named = |names: &[&str]| HeaderDemand::Named(names.iter().map(|name| (*name).to_owned()).collect());
    for (source, headers) in [
        ("request.headers['x-env'] == 'prod'", named(&["x-env"])),
        ("request['headers']['x-env'] == 'prod'", named(&["x-env"])),
        ("request.headers.host == 'a' || has(request.headers.b)", named(&["b", "host"])),
        ("'x-a' in request.headers && request.headers['x-a'] == 'b'", named(&["x-a"])),
        ("request.headers[args.name] == 'b'", HeaderDemand::All),
        ("args.name in request.headers", HeaderDemand::All),
        ("request.headers.exists(name, name.startsWith('x-'))", HeaderDemand::All),
        ("size(request.headers) > 1 && request.headers.a == 'b'", HeaderDemand::All),
    ] {
        assert_eq!(wants(source).headers, headers, "{source}");
    }
}
