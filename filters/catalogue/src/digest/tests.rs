use super::*;

fn canonical(text: &str) -> String {
    let span = Span { start: 0, end: text.len() };
    // Inside of a definition a `name` is a member like others.
    let node = Node { text, span, depth: 1 };
    String::from_utf8(serde_json_canonicalizer::to_vec(&node).unwrap()).unwrap()
}

fn of(text: &str) -> Option<Digest> {
    Digest::of_definition(text, Span { start: 0, end: text.len() })
}

#[test]
fn canonical_form_is_the_one_of_rfc_8785() {
    for (text, expected) in [
        // Section 3.2.2.
        (
            r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#,
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        ),
        // Section 3.2.3: by UTF-16 code units, so that U+1F600 comes before U+FB33.
        (
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
        ),
        (r#" { "b" : [ ] , "a" : { } } "#.trim(), r#"{"a":{},"b":[]}"#),
    ] {
        assert_eq!(canonical(text), expected);
    }
}

#[test]
fn numbers_are_written_as_rfc_8785_has_them() {
    // Appendix B.
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let letters = format!("{:?}", f64::from_bits(bits));
        assert_eq!(canonical(&letters), expected, "{bits:x}");
    }
    // Integers beyond a double's 53 bits are doubles too.
    for (letters, expected) in [
        ("9007199254740993", "9007199254740992"),
        ("18446744073709551615", "18446744073709552000"),
        ("-0", "0"),
        ("1.0", "1"),
    ] {
        assert_eq!(canonical(letters), expected);
    }
}

#[test]
fn one_definition_has_one_hash_however_it_is_written() {
    let first =
        of(r#"{"name":"a","description":"x\u0041","inputSchema":{"type":"object","maxProperties":10}}"#).unwrap();
    assert_eq!(
        of("{ \"inputSchema\": {\"maxProperties\": 1e1, \"type\":\"object\"},\n\"description\":\"xA\"}"),
        Some(first)
    );
    // What `printf %s '{"description":"xA","inputSchema":{"maxProperties":10,"type":"object"}}' | sha256sum` prints.
    let canonical = r#"{"description":"xA","inputSchema":{"maxProperties":10,"type":"object"}}"#;
    assert_eq!(first, Digest::of_bytes(canonical.as_bytes()));
    for other in [
        r#"{"name":"a","description":"xa","inputSchema":{"type":"object","maxProperties":10}}"#,
        r#"{"name":"a","description":"xA","inputSchema":{"type":"object","maxProperties":11}}"#,
        r#"{"name":"a","description":"xA","inputSchema":{"type":"object","maxProperties":10,"name":"a"}}"#,
        r#"{"name":"a","description":"xA","inputSchema":{"type":"object","maxProperties":10},"annotations":{}}"#,
        r#"{"name":"a","description":"xA","inputSchema":{"type":"object","maxProperties":10},"Name":"a"}"#,
        r#"{"name":"a","description":"xA","inputSchema":{"type":"object","maxProperties":10},"_meta":{}}"#,
    ] {
        assert_ne!(of(other), Some(first), "{other}");
    }
}

#[test]
fn depth_is_bounded() {
    for (depth, fits) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
        // The definition itself is one level, the innermost value is `0`.
        let arrays = depth - 1;
        let text = format!("{{\"x\":{}0{}}}", "[".repeat(arrays), "]".repeat(arrays));
        assert_eq!(of(&text).is_some(), fits, "{depth}");
    }
}

#[test]
fn a_hash_is_read_as_it_is_written() {
    let digest = Digest::of_bytes(b"abc");
    // FIPS 180-4's example.
    let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((digest.to_string(), text.parse()), (text.to_owned(), Ok(digest)));
    for wrong in [
        "",
        "sha256:",
        text.trim_start_matches("sha256:"),
        text.trim_end_matches('d'),
        &format!("{text}0"),
        &text.replace('b', "B"),
        &text.replace("ba78", "+a78"),
        &text.replace("ba78", "ä78"),
        &text.replace("sha256", "sha512"),
    ] {
        assert_eq!(wrong.parse::<Digest>(), Err(DigestError), "{wrong}");
    }
}
