use proptest::prelude::*;

use super::*;
use crate::limits::Limits;
use crate::message::{Body, Reader};

/// The result of a response that the strict reader lets through.
fn response(result: &str) -> (String, Span) {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    let Ok(Body::One(message)) = Reader::new(limits).read(text.as_bytes()) else { panic!("{text}") };
    let span = message.result().unwrap();
    (text, span)
}

fn names(result: &str, kind: ListKind) -> Result<Vec<String>, ListFault> {
    let (text, span) = response(result);
    match Listing::read(&text, span, kind) {
        Ok(listing) => {
            listing.entries.iter().for_each(|entry| assert!(entry.span.of(&text).starts_with('{')));
            Ok(listing.entries.into_iter().map(|entry| entry.name.into_owned()).collect())
        }
        Err(error) => {
            assert!((span.start..span.end).contains(&error.at));
            Err(error.fault)
        }
    }
}

#[test]
fn entries_have_their_spans_and_names() {
    for (result, kind, expected) in [
        (r#"{"tools":[]}"#, ListKind::Tools, vec![]),
        (r#"{ "tools" : [ ] , "nextCursor" : "c" }"#, ListKind::Tools, vec![]),
        (r#"{"tools":[{"name":"a"},{"x":{"name":"c"},"name":"b"}]}"#, ListKind::Tools, vec!["a", "b"]),
        (r#"{"\u0074ools":[{"n\u0061me":"\u0061\"\\"}]}"#, ListKind::Tools, vec!["a\"\\"]),
        (r#"{"tools":[{"name":""}]}"#, ListKind::Tools, vec![""]),
        // Twice the same name is no fault of the reading.
        (r#"{"tools":[{"name":"a"},{"name":"a"}]}"#, ListKind::Tools, vec!["a", "a"]),
        (r#"{"tools":[{"name":"a","Title":"A","Uri":1}],"Prompts":1}"#, ListKind::Tools, vec!["a"]),
        (r#"{"prompts":[{"name":"p","arguments":[{"name":"q"}]}]}"#, ListKind::Prompts, vec!["p"]),
        (r#"{"resources":[{"uri":"file:///a","name":"n","Name":"m"}]}"#, ListKind::Resources, vec!["file:///a"]),
        (
            r#"{"resourceTemplates":[{"uriTemplate":"file:///{a}","name":"n"}]}"#,
            ListKind::ResourceTemplates,
            vec!["file:///{a}"],
        ),
    ] {
        assert_eq!(names(result, kind).unwrap(), expected, "{result}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    use ListFault as F;
    for (result, kind, fault) in [
        ("{}", ListKind::Tools, F::Missing),
        (r#"{"prompts":[]}"#, ListKind::Tools, F::Missing),
        (r#"{"result":{"tools":[]}}"#, ListKind::Tools, F::Missing),
        (r#"{"tools":null}"#, ListKind::Tools, F::NotAList),
        (r#"{"tools":{"a":{"name":"a"}}}"#, ListKind::Tools, F::NotAList),
        (r#"{"tools":"[]"}"#, ListKind::Tools, F::NotAList),
        (r#"{"tools":0}"#, ListKind::Tools, F::NotAList),
        (r#"{"tools":[null]}"#, ListKind::Tools, F::NotAnObject),
        (r#"{"tools":["a"]}"#, ListKind::Tools, F::NotAnObject),
        (r#"{"tools":[{"name":"a"},[{"name":"b"}]]}"#, ListKind::Tools, F::NotAnObject),
        (r#"{"tools":[{}]}"#, ListKind::Tools, F::NoName),
        (r#"{"tools":[{"x":{"name":"a"}}]}"#, ListKind::Tools, F::NoName),
        (r#"{"resources":[{"name":"a"}]}"#, ListKind::Resources, F::NoName),
        (r#"{"resourceTemplates":[{"name":"a","uri":"b:"}]}"#, ListKind::ResourceTemplates, F::NoName),
        (r#"{"tools":[{"name":null}]}"#, ListKind::Tools, F::NameNotAString),
        (r#"{"tools":[{"name":["a"]}]}"#, ListKind::Tools, F::NameNotAString),
        (r#"{"tools":[{"name":1}]}"#, ListKind::Tools, F::NameNotAString),
        (r#"{"tools":[{"name":"a\u0000b"}]}"#, ListKind::Tools, F::NameWithNul),
        (r#"{"tools":[],"Tools":[]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"Tools":[]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"tools":[],"tool\u017f":[]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"tools":[],"tools\u0000":[]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"tools":[],"CacheScope":"public"}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"tools":[{"name":"a","Name":"b"}]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"tools":[{"NAME":"b"}]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"tools":[{"name":"a","inputschema":{}}]}"#, ListKind::Tools, F::CaseVariant),
        (r#"{"prompts":[{"name":"a","Name":"b"}]}"#, ListKind::Prompts, F::CaseVariant),
        (r#"{"resources":[{"uri":"a:","URI":"b:"}]}"#, ListKind::Resources, F::CaseVariant),
        (
            r#"{"resourceTemplates":[{"uriTemplate":"a:","uritemplate":"b:"}]}"#,
            ListKind::ResourceTemplates,
            F::CaseVariant,
        ),
        (r#"{"resourceTemplates":[],"resourcetemplates":[]}"#, ListKind::ResourceTemplates, F::CaseVariant),
    ] {
        assert_eq!(names(result, kind), Err(fault), "{result}");
    }
}

#[test]
fn a_tool_has_its_schema_and_a_result_its_scope() {
    let (text, span) =
        response(r#"{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"name":"b"}],"cacheScope":"public"}"#);
    let listing = Listing::read(&text, span, ListKind::Tools).unwrap();
    let schemas: Vec<_> = listing.entries.iter().map(|entry| entry.input_schema.map(|span| span.of(&text))).collect();
    assert_eq!(schemas, [Some(r#"{"type":"object"}"#), None]);
    assert_eq!(listing.cache_scope.map(|span| span.of(&text)), Some("\"public\""));
}

#[test]
fn a_result_becomes_private() {
    for (result, private) in [
        (r#"{"tools":[],"cacheScope":"public"}"#, r#"{"tools":[],"cacheScope":"private"}"#),
        (r#"{"tools":[],"cacheScope" : null }"#, r#"{"tools":[],"cacheScope" : "private" }"#),
        (r#"{"tools":[],"cacheScope":"private"}"#, r#"{"tools":[],"cacheScope":"private"}"#),
        (r#"{"tools":[]}"#, r#"{"cacheScope":"private","tools":[]}"#),
    ] {
        let (text, span) = response(result);
        let mut splices = Splices::default();
        Listing::read(&text, span, ListKind::Tools).unwrap().make_private(&text, &mut splices);
        assert_eq!(splices.is_empty(), result == private);
        let out = String::from_utf8(splices.apply(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(out, response(private).0);
    }
}

#[test]
fn lists_are_known_by_their_shape() {
    for (result, expected) in [
        ("{}", Ok(vec![])),
        (r#"{"content":[{"tools":[]}],"isError":false}"#, Ok(vec![])),
        (r#"{"tools":null}"#, Ok(vec![ListKind::Tools])),
        (r#"{"resourceTemplates":[],"resources":[]}"#, Ok(vec![ListKind::ResourceTemplates, ListKind::Resources])),
        (r#"{"prompts":[]}"#, Ok(vec![ListKind::Prompts])),
        (r#"{"Prompts":[]}"#, Err(ListFault::CaseVariant)),
    ] {
        let (text, span) = response(result);
        assert_eq!(kinds_by_shape(&text, span).map_err(|error| error.fault), expected, "{result}");
    }
}

#[test]
fn methods_that_list_are_known() {
    for kind in ListKind::ALL {
        assert_eq!(ListKind::of_method(kind.method()), Some(kind));
        assert!(crate::method::Method::lookup(kind.method()).is_some());
    }
    // Their results have no names that a rule could speak of.
    for method in ["tasks/list", "roots/list", "tools/call", "Tools/list", ""] {
        assert_eq!(ListKind::of_method(method), None, "{method}");
    }
}

#[test]
fn questions_have_their_keys_and_methods() {
    let (text, span) = response(include_str!(
        "../../tests/fixtures/2026-07-28/InputRequiredResult/input-required-result-with-elicitation-and-sampling-and-request-state.json"
    ));
    let questions = input_requests(&text, span).unwrap();
    let read: Vec<_> = questions.iter().map(|question| (&*question.key, &*question.method)).collect();
    assert_eq!(read, [("github_login", "elicitation/create"), ("capital_of_france", "sampling/createMessage")]);
    for question in questions {
        assert!(question.member.span().of(&text).starts_with(&format!("\"{}\": {{", question.key)));
    }
}

#[test]
fn questions_are_read_as_strictly() {
    use ListFault as F;
    for (result, expected) in [
        ("{}", Ok(0)),
        (r#"{"inputRequests":{}}"#, Ok(0)),
        (r#"{"resultType":"complete","inputRequests":{"k":{"method":"roots/list"}}}"#, Ok(1)),
        (r#"{"inputRequests":null}"#, Err(F::NotAList)),
        (r#"{"inputRequests":[{"method":"roots/list"}]}"#, Err(F::NotAList)),
        (r#"{"InputRequests":{}}"#, Err(F::CaseVariant)),
        (r#"{"inputRequests":{"k":null}}"#, Err(F::NotAnObject)),
        (r#"{"inputRequests":{"k":{}}}"#, Err(F::NoName)),
        (r#"{"inputRequests":{"k":{"method":1}}}"#, Err(F::NameNotAString)),
        (r#"{"inputRequests":{"k":{"method":"roots/list\u0000"}}}"#, Err(F::NameWithNul)),
        (r#"{"inputRequests":{"k":{"method":"roots/list","Method":"sampling/createMessage"}}}"#, Err(F::CaseVariant)),
    ] {
        let (text, span) = response(result);
        let read = input_requests(&text, span);
        assert_eq!(read.map(|all| all.len()).map_err(|error| error.fault), expected, "{result}");
    }
}

proptest! {
    #[test]
    fn names_are_those_of_the_tree(
        listed in prop::collection::vec(("[^\0]*", any::<Option<i32>>(), any::<bool>()), 0..12),
        pretty: bool,
    ) {
        let entries: Vec<_> = listed
            .iter()
            .map(|(name, extra, first)| {
                let name = serde_json::json!(name);
                if *first {
                    serde_json::json!({"name": name, "title": extra, "inputSchema": {"name": {"name": []}}})
                } else {
                    serde_json::json!({"annotations": [{"name": extra}], "name": name})
                }
            })
            .collect();
        let tree = serde_json::json!({"_meta": {"tools": []}, "tools": entries, "nextCursor": "x"});
        let result = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        let read = names(&result, ListKind::Tools).unwrap();
        prop_assert_eq!(read, listed.into_iter().map(|(name, _, _)| name).collect::<Vec<_>>());
    }

    /// What is read and what is not, against the definition on the tree.
    #[test]
    fn reads_what_the_definition_reads(
        members in prop::collection::btree_map(
            "tools|Tools|cacheScope|CACHESCOPE|name|tool\u{17f}",
            prop::collection::vec(entry(), 0..3),
            0..3,
        ),
        as_object in any::<u8>(),
    ) {
        let mut tree = serde_json::json!({ "x": 1 });
        for (key, entries) in &members {
            tree[key] = if as_object == 0 { serde_json::json!({ "a": entries }) } else { serde_json::json!(entries) };
        }
        prop_assert_eq!(names(&tree.to_string(), ListKind::Tools).ok(), by_definition(&tree));
    }
}

fn entry() -> impl Strategy<Value = serde_json::Value> {
    let value = prop_oneof![
        4 => "[a-c]{0,2}".prop_map(serde_json::Value::from),
        1 => Just(serde_json::json!("a\0")),
        1 => Just(serde_json::json!({"name": "b"})),
        1 => Just(serde_json::Value::Null),
    ];
    prop_oneof![
        9 => ("[a-c]", prop::collection::btree_map("Name|uri|inputSchema|INPUTSCHEMA|x|y|z", value.clone(), 0..2)).prop_map(
            |(name, members)| {
                let mut entry = serde_json::json!(members);
                entry["name"] = name.into();
                entry
            }
        ),
        2 => prop::collection::btree_map("name|nam\u{e9}", value.clone(), 0..2).prop_map(|members| serde_json::json!(members)),
        1 => value,
    ]
}

fn by_definition(result: &serde_json::Value) -> Option<Vec<String>> {
    let clear = |object: &serde_json::Map<String, serde_json::Value>, known: &[&str]| {
        let variant =
            |key: &str, known: &str| key != known && key.to_lowercase().replace('\u{17f}', "s") == known.to_lowercase();
        !object.keys().any(|key| known.iter().any(|known| variant(key, known)))
    };
    let result = result.as_object().filter(|result| clear(result, &["tools", "cacheScope"]))?;
    let read = |entry: &serde_json::Value| {
        let entry = entry.as_object().filter(|entry| clear(entry, &["name", "inputSchema"]))?;
        entry.get("name")?.as_str().filter(|name| !name.contains('\0')).map(str::to_owned)
    };
    result.get("tools")?.as_array()?.iter().map(read).collect()
}
