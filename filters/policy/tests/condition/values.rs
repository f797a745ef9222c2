//! What conditions mean.

use meshward_engine::Target;
use meshward_policy::{Key, Known, Truth};

use crate::support::{World, truth};

#[test]
fn every_name_has_its_value() {
    let world = World::with_arguments(r#"{"a": 1}"#);
    for source in [
        "mcp.method == 'tools/call' && mcp.tool == 'refund' && mcp.prompt == '' && mcp.uri == ''",
        "mcp.client == 'claude-code' && mcp.revision == '2025-06-18' && mcp.session == '' && mcp.direction == 'client'",
        "mcp['tool'] == 'refund' && has(mcp.tool) && !has(mcp.uri)",
        "args.a == 1 && args['a'] == 1 && 'a' in args && !('b' in args) && has(args.a) && !has(args.b)",
        "meta.progressToken == 7 && meta['a/b'] && size(meta) == 2",
        "jwt.sub == 'alice' && 'dev' in jwt.roles && jwt.level > 2 && jwt.nested.a == 1.5",
        "jwt.big == 18446744073709551615u",
        "peer.id.startsWith('spiffe://cluster.local/') && peer.address == '10.0.0.7'",
        "request.path == '/mcp' && request.host == 'shop.example:8080'",
        "request.headers['x-env'] == 'prod' && request.headers['x-team'] == 'a,b' && has(request.headers.x) == false",
        "'x-env' in request.headers && !('x-none' in request.headers)",
    ] {
        assert_eq!(world.truth(source), Truth::TRUE, "{source}");
    }
    let mut bare = World { arguments: Known::Absent, meta: Known::Absent, ..World::default() };
    bare.caller = Default::default();
    bare.target = Target::Resource("file:///a".into());
    for source in [
        "args == {} && meta == {} && jwt == {} && peer.id == '' && peer.address == ''",
        "mcp.uri == 'file:///a' && mcp.tool == ''",
    ] {
        assert_eq!(bare.truth(source), Truth::TRUE, "{source}");
    }
}

#[test]
fn header_fields_that_are_no_text_fail() {
    let world = World::default();
    assert_eq!(world.truth("request.headers['x-bytes'] == ''"), Truth::ERROR);
    assert_eq!(world.truth("'x-bytes' in request.headers"), Truth::TRUE);
    assert_eq!(world.truth("request.headers.exists(name, name == 'x-env')"), Truth::ERROR);
    assert_eq!(world.truth("request.headers['x-none'] == ''"), Truth::ERROR);
    let lines: [(&[u8], &[u8]); 2] = [(b"x-a", b"1"), (b"x-a", b"2")];
    let world = World { headers: lines.into_iter().collect(), ..World::default() };
    assert_eq!(world.truth("size(request.headers) == 1 && request.headers == {'x-a': '1,2'}"), Truth::TRUE);
}

#[test]
fn one_uri_of_many_is_no_value_and_that_of_a_template_is_not_known() {
    let target = Target::Resources(vec!["file:///a".into(), "file:///b".into()]);
    let world = World { target, ..World::default() };
    assert_eq!(world.truth("mcp.uri == 'file:///a'"), Truth::ERROR);
    let target = Target::Resource("file:///{name}".into());
    let world = World { target, is_template: true, ..World::default() };
    assert_eq!(world.truth("mcp.uri == 'file:///a'"), Truth::UNKNOWN);
    assert_eq!(world.truth("mcp.uri == 'file:///a' && mcp.tool == 'x'"), Truth::FALSE);
}

#[test]
fn numbers_are_compared_by_value() {
    for (source, arguments, expected) in [
        ("args.n == 1", r#"{"n": 1.0}"#, Truth::TRUE),
        ("args.n == 1.0", r#"{"n": 1}"#, Truth::TRUE),
        ("args.n == 1u", r#"{"n": 1}"#, Truth::TRUE),
        ("args.n == 100", r#"{"n": 1e2}"#, Truth::TRUE),
        ("args.n == 0 && args.m == 0", r#"{"n": -0, "m": -0.0}"#, Truth::TRUE),
        ("args.n < 1.5 && args.n > 0.5", r#"{"n": 1}"#, Truth::TRUE),
        ("args.n < 1 || args.n > 1", r#"{"n": 1.0}"#, Truth::FALSE),
        ("args.n in [1, 2]", r#"{"n": 2.0}"#, Truth::TRUE),
        // 2^53 + 1 has no double.
        ("args.n == 9007199254740993", r#"{"n": 9007199254740993}"#, Truth::TRUE),
        ("args.n == 9007199254740992", r#"{"n": 9007199254740993}"#, Truth::FALSE),
        ("args.n == 9007199254740992.0", r#"{"n": 9007199254740993}"#, Truth::FALSE),
        ("args.n > 9007199254740992.0", r#"{"n": 9007199254740993}"#, Truth::TRUE),
        ("args.n == args.m", r#"{"n": 9007199254740993, "m": 9007199254740992.0}"#, Truth::FALSE),
        ("args.n < 9223372036854775807", r#"{"n": 9.223372036854775807e18}"#, Truth::FALSE),
        ("args.n == -9223372036854775808", r#"{"n": -9223372036854775808}"#, Truth::TRUE),
        // Beyond int: uint, and beyond that nothing.
        ("args.n == 18446744073709551615u && type(args.n) == uint", r#"{"n": 18446744073709551615}"#, Truth::TRUE),
        ("args.n > 9223372036854775807", r#"{"n": 9223372036854775808}"#, Truth::TRUE),
        ("args.n < 100", r#"{"n": 18446744073709551616}"#, Truth::ERROR),
        ("args.n > 100", r#"{"n": 18446744073709551616}"#, Truth::ERROR),
        ("args.n < 100", r#"{"n": -9223372036854775809}"#, Truth::ERROR),
        ("args.n < 100", r#"{"n": 1e400}"#, Truth::ERROR),
        ("args.n == args.n", r#"{"n": 123456789012345678901234567890}"#, Truth::ERROR),
        ("args.n == {'a': 1}", r#"{"n": {"a": 1e999}}"#, Truth::ERROR),
        ("args.n < 100.0", r#"{"n": 1e300}"#, Truth::FALSE),
    ] {
        assert_eq!(truth(source, arguments), expected, "{source} {arguments}");
    }
}

#[test]
fn arithmetic_does_not_overflow() {
    for source in [
        "args.max + 1 > 0",
        "args.min - 1 < 0",
        "-args.min > 0",
        "args.max * 2 > 0",
        "args.min / -1 > 0",
        "args.min % -1 == 0",
        "1 / args.zero == 0",
        "1 % args.zero == 0",
        "args.max + 1.0 > 0.0",
        "uint(args.zero) - 1u > 0u",
        "int(args.huge) > 0",
        "uint(-1) > 0u",
        "int('9223372036854775808') > 0",
    ] {
        let arguments = r#"{"max": 9223372036854775807, "min": -9223372036854775808, "zero": 0, "huge": 1e300}"#;
        let Ok(condition) = meshward_policy::Condition::compile(source) else { continue };
        assert_eq!(World::with_arguments(arguments).evaluate(&condition), Truth::ERROR, "{source}");
    }
    assert_eq!(truth("1.0 / double(args.zero) > 1e308", r#"{"zero": 0}"#), Truth::TRUE);
    assert_eq!(truth("args.n == args.n", r#"{"n": 0.5}"#), Truth::TRUE);
    // NaN is neither equal to itself, nor less, nor greater.
    let nan = "0.0 / double(args.zero)";
    for operator in ["==", "<", "<=", ">", ">="] {
        assert_eq!(truth(&format!("{nan} {operator} {nan}"), r#"{"zero": 0}"#), Truth::FALSE, "{operator}");
        assert_eq!(truth(&format!("{nan} {operator} args.zero"), r#"{"zero": 0}"#), Truth::FALSE, "{operator}");
    }
    assert_eq!(truth(&format!("{nan} != {nan}"), r#"{"zero": 0}"#), Truth::TRUE);
}

#[test]
fn strings_are_what_the_json_says() {
    for (source, arguments) in [
        (r#"args.s == 'a\"b\\c\n\u00e4\U0001f600'"#, r#"{"s": "a\"b\\c\n\u00e4\ud83d\ude00"}"#),
        ("args['a b'] == 1", r#"{"a\u0020b": 1}"#),
        ("has(args.key)", r#"{"\u006bey": null}"#),
        ("size(args.s) == 2", r#"{"s": "\ud83d\ude00!"}"#),
        (r"args.s == 'ä' && r'\n' == '\\n' && b'\xff' != b'\x00'", r#"{"s": "ä"}"#),
        ("args.s == '''it's'''", r#"{"s": "it's"}"#),
        ("args.n == null && type(args.n) == null_type", r#"{"n": null}"#),
        ("args.a.b[1].c == 'x'", r#"{"a": {"b": [0, {"c": "x"}]}}"#),
        ("args.a == {'b': [1, 2.0, {'c': null}]}", r#" {"a" : { "b" : [ 1.0 , 2 , { "c" : null } ] } }"#),
        ("args.a != {'b': 1}", r#"{"a": {"b": 1, "c": 2}}"#),
        ("args.l[1.0] == 'b' && args.l[1u] == 'b'", r#"{"l": ["a", "b"]}"#),
    ] {
        assert_eq!(truth(source, arguments), Truth::TRUE, "{source} {arguments}");
    }
}

#[test]
fn what_is_not_there_fails_unless_it_is_asked_for() {
    for source in [
        "args.b == 1",
        "args.a.b == 1",
        "args.a[0] == 1",
        "has(args.b.c)",
        "has(args.a.b)",
        "args.l[2] == 1",
        "args.l[-1] == 1",
        "args.l[0.5] == 1",
        "args.l['a'] == 1",
        "args.s < 1",
        "args.s + 1 == 1",
        "args.a.contains('x')",
        "size(args.a) == 1",
        "args.a",
        "args.a && args.a",
        "!args.s",
        "args.a ? true : true",
        "args.s.exists(x, true)",
        "jwt.none == 1",
        "{args.s: 1, 'text': 2} == {}",
        "{args.l: 1} == {}",
    ] {
        assert_eq!(truth(source, r#"{"a": 1, "s": "text", "l": [1, 2]}"#), Truth::ERROR, "{source}");
    }
    for source in [
        "!has(args.b) || args.b == 1",
        "has(args.a) && args.a == 1",
        "!('b' in args)",
        "args.s != 1",
        "args.a != 'text'",
        "args.l != args.a",
    ] {
        assert_eq!(truth(source, r#"{"a": 1, "s": "text", "l": [1, 2]}"#), Truth::TRUE, "{source}");
    }
}

#[test]
fn and_and_or_make_up_for_what_fails() {
    for (source, expected) in [
        ("args.none == 1 && false", Truth::FALSE),
        ("false && args.none == 1", Truth::FALSE),
        ("args.none == 1 || true", Truth::TRUE),
        ("true || args.none == 1", Truth::TRUE),
        ("args.none == 1 && true", Truth::ERROR),
        ("args.none == 1 || false", Truth::ERROR),
        ("!(args.none == 1)", Truth::ERROR),
        ("[0, 1].exists(x, 1 / x == 1)", Truth::TRUE),
        ("[0, 2].exists(x, 1 / x == 1)", Truth::ERROR),
        ("[0, 2].all(x, 1 / x == 1)", Truth::FALSE),
        ("[0, 1].all(x, 1 / x == 1)", Truth::ERROR),
        ("[0, 1].exists_one(x, 1 / x == 1)", Truth::ERROR),
        ("[0, 1].filter(x, 1 / x == 1) == [1]", Truth::ERROR),
        ("[0, 1].map(x, 1 / x) == [1]", Truth::ERROR),
        ("args.big.exists(x, x == 1)", Truth::ERROR),
        ("args.big.all(x, x == 1)", Truth::ERROR),
        ("1 in args.big", Truth::ERROR),
        ("2 in args.big", Truth::ERROR),
    ] {
        assert_eq!(truth(source, r#"{"big": [1e999, 1]}"#), expected, "{source}");
    }
}

#[test]
fn macros() {
    let arguments =
        r#"{"l": [1, 2, 3], "m": {"a": 1, "b": 2}, "p": [{"n": "x", "q": 2}, {"n": "y", "q": 5}], "e": []}"#;
    for source in [
        "args.l.all(x, x > 0) && !args.l.all(x, x > 1) && args.e.all(x, false)",
        "args.l.exists(x, x == 3) && !args.l.exists(x, x == 4) && !args.e.exists(x, true)",
        "args.l.exists_one(x, x > 2) && !args.l.exists_one(x, x > 1) && !args.l.exists_one(x, x > 3)",
        "args.l.filter(x, x > 1) == [2, 3] && args.l.map(x, x * 2) == [2, 4, 6]",
        "args.l.map(x, x > 1, x * 2) == [4, 6] && size(args.e.map(x, x)) == 0",
        "args.m.all(k, args.m[k] > 0) && args.m.exists(k, k == 'b') && args.m.map(k, k).join() == 'ab'",
        "args.p.exists(p, p.n == 'y' && p.q > 4) && args.p.map(p, p.q).all(q, q < 6)",
        "args.l.all(x, args.l.exists(y, x == y && args.l.exists(x, x == y)))",
        "jwt.roles.exists(r, r == 'support') && jwt.nested.exists(k, k == 'a')",
        "args.l.filter(x, x > 1).map(x, x + 1) == [3, 4] && [[1], [2, 3]].all(l, size(l) < 3)",
        "args.l + [4] == [1, 2, 3, 4] && size(args.l + args.l) == 6",
        "{'a': 1, 2: 'b', true: null}[2.0] == 'b' && 'a' in {'a': 1} && size({}) == 0",
    ] {
        assert_eq!(truth(source, arguments), Truth::TRUE, "{source}");
    }
}

#[test]
fn functions() {
    for source in [
        "size('äö') == 2 && size(b'ab') == 2 && size([1]) == 1 && size({1: 2}) == 1 && 'ab'.size() == 2",
        "'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo') && !'hello'.contains('x')",
        "'hello'.matches('^h.*o$') && matches('hello', 'l+') && !'hello'.matches('^ell')",
        r"'a1'.matches(r'^\w\d$') && 'A'.matches('(?i)a')",
        "int('42') == 42 && int(4.9) == 4 && int(-4.9) == -4 && int(7u) == 7",
        "uint('42') == 42u && uint(4.9) == 4u && uint(7) == 7u",
        "double('1.5') == 1.5 && double(2) == 2.0 && double(3u) == 3.0",
        "string(1) == '1' && string(1.5) == '1.5' && string(true) == 'true' && string(2u) == '2' && string(b'ab') == 'ab'",
        "bytes('ab') == b'ab' && bool('true') && !bool('0') && dyn(1) == 1",
        "type(1) == int && type(1.0) == double && type('') == string && type([]) == list && type({}) == map",
        "type(int) == type && type(true) == bool && type(b'') == bytes && type(1u) == uint && type(null) == null_type",
        "'hällo'.charAt(1) == 'ä' && 'ab'.charAt(2) == ''",
        "'hällo'.indexOf('l') == 2 && 'hällo'.indexOf('l', 3) == 3 && 'ab'.indexOf('x') == -1 && 'ab'.indexOf('') == 0",
        "'hällo'.lastIndexOf('l') == 3 && 'hällo'.lastIndexOf('l', 2) == 2 && 'ab'.lastIndexOf('') == 2",
        "['a', 'b'].join() == 'ab' && ['a', 'b'].join('-') == 'a-b' && [].join(',') == ''",
        "'TacoÄ'.lowerAscii() == 'tacoÄ' && 'tacoä'.upperAscii() == 'TACOä' && '  a\\t\\n'.trim() == 'a'",
        "'hello hello'.replace('he', 'we') == 'wello wello' && 'hello hello'.replace('he', 'we', 1) == 'wello hello'",
        "'hello'.replace('l', '') == 'heo' && 'ab'.replace('', '_') == '_a_b_' && 'ab'.replace('a', 'x', 0) == 'ab'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'abc'.split('') == ['a', 'b', 'c']",
        "'a,b'.split(',', 0) == [] && 'a,b'.split(',', -1) == ['a', 'b'] && ''.split(',') == ['']",
        "'hällo'.substring(1) == 'ällo' && 'hällo'.substring(1, 3) == 'äl' && 'ab'.substring(2) == ''",
        "'a' < 'b' && b'a' < b'b' && false < true && 'a' + 'b' == 'ab' && b'a' + b'b' == b'ab'",
        "7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1 && 7u % 2u == 1u && 7.0 / 2.0 == 3.5 && 0x10 == 16",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && -(-3) == 3 && 10 - 2 - 3 == 5 && !(!true)",
        "(true ? 1 : 2) == 1 && (false ? 1 : true ? 2 : 3) == 2",
        "1 + 1 == 2 // the rest is a comment",
    ] {
        assert_eq!(truth(source, "{}"), Truth::TRUE, "{source}");
    }
    for source in [
        "args.t.charAt(3) == ''",
        "args.t.charAt(-1) == ''",
        "args.t.substring(3) == ''",
        "args.t.substring(1, 0) == ''",
        "args.t.substring(9223372036854775807) == ''",
        "args.t.indexOf('a', 3) == 0",
        "args.t.lastIndexOf('a', -1) == 0",
        "[1].join() == ''",
        "string(args.l) == ''",
        "bool(args.s)",
        "int(args.s) == 1",
        "double(args.s) == 1.0",
    ] {
        assert_eq!(truth(source, r#"{"s": "maybe", "t": "ab", "l": []}"#), Truth::ERROR, "{source}");
    }
}

#[test]
fn what_is_not_known_leaves_only_what_it_decides_open() {
    let world = World { arguments: Known::Unknown, meta: Known::Unknown, ..World::default() };
    for (source, expected) in [
        ("args.amount < 100", Truth::UNKNOWN),
        ("meta.a", Truth::UNKNOWN),
        ("jwt.sub == 'bob' && args.amount < 100", Truth::FALSE),
        ("args.amount < 100 && jwt.sub == 'bob'", Truth::FALSE),
        ("jwt.sub == 'alice' && args.amount < 100", Truth::UNKNOWN),
        ("jwt.sub == 'alice' || args.amount < 100", Truth::TRUE),
        ("args.amount < 100 || jwt.sub == 'bob'", Truth::UNKNOWN),
        ("!(args.amount < 100)", Truth::UNKNOWN),
        ("!(args.amount < 100 && false)", Truth::TRUE),
        ("jwt.sub == 'alice' ? args.a : false", Truth::UNKNOWN),
        ("jwt.sub == 'bob' ? args.a : false", Truth::FALSE),
        ("has(args.a)", Truth::UNKNOWN),
        ("'a' in args", Truth::UNKNOWN),
        ("args.l.exists(x, true)", Truth::UNKNOWN),
        ("jwt.roles.exists(r, r == args.role)", Truth::UNKNOWN),
        ("jwt.roles.exists(r, r == args.role || r == 'dev')", Truth::UNKNOWN),
        ("jwt.roles.all(r, r == args.role && r == 'dev')", Truth::UNKNOWN),
        ("[args.a, 1] == []", Truth::UNKNOWN),
        ("size(args.a + 'x') > 1", Truth::UNKNOWN),
        ("jwt.none == args.a", Truth::UNKNOWN),
        ("jwt.none", Truth::ERROR),
        ("mcp.tool == 'refund'", Truth::TRUE),
    ] {
        assert_eq!(world.truth(source), expected, "{source}");
    }
    // What one of the operands rules out, whatever the arguments are.
    for (source, can_be_true, can_be_false) in [
        ("args.a || jwt.none", true, false),
        ("jwt.none && args.a", false, true),
        ("args.a ? true : true", true, false),
    ] {
        let truth = world.truth(source);
        assert_eq!((truth.can_be_true(), truth.can_be_false(), truth.can_fail()), (can_be_true, can_be_false, true));
    }
}

#[test]
fn a_key_has_a_simple_value_or_none() {
    let world =
        World::with_arguments(r#"{"repo": "r1", "depth": 3, "deep": true, "half": 0.5, "nothing": null, "list": [1]}"#);
    for (source, expected) in [
        ("args.repo", Some("r1")),
        ("args.depth", Some("3")),
        ("args.deep", Some("true")),
        ("mcp.tool", Some("refund")),
        ("peer.id", Some("spiffe://cluster.local/ns/shop/sa/agent")),
        ("jwt.sub", Some("alice")),
        ("request.headers['x-team']", Some("a,b")),
        ("args.depth > 2 ? 'deep' : 'flat'", Some("deep")),
        ("jwt.sub + '/' + args.repo", Some("alice/r1")),
        ("args.half", None),
        ("args.nothing", None),
        ("args.list", None),
        ("args.missing", None),
        ("jwt.nobody", None),
    ] {
        let key = Key::compile(source).unwrap();
        assert_eq!(world.key(&key).as_deref(), expected, "{source}");
    }
    for wrong in ["[1]", "{}", "1.5", "tool", "args.", ""] {
        assert!(Key::compile(wrong).is_err(), "{wrong}");
    }
}
