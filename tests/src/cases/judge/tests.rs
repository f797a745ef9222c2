//! A judge that finds nothing wrong proves nothing: here everything that can be wrong is.

use super::*;
use crate::cases::case::{Case, Http};
use crate::cases::left::Left;
use crate::cases::observed::{ClientSaw, UpstreamSaw};

fn case(expect: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("configs")).unwrap();
    std::fs::create_dir_all(folder.path().join("area")).unwrap();
    let text = format!("about: x\nconfig: {{}}\nrequest: {{ headers: [x-a: '1'], body: abc }}\nexpect: {expect}");
    std::fs::write(folder.path().join("area/one.yaml"), text).unwrap();
    crate::cases::load::load(folder.path()).unwrap().remove(0)
}

/// What is said of a case after something was changed in what was seen.
fn said(expect: &str, mode: Mode, seen: &Observed, change: impl FnOnce(&mut Observed)) -> String {
    let mut seen = seen.clone();
    change(&mut seen);
    let case = case(expect);
    judge(&Run { case: &case, mode, http: Http::One }, &seen).join("\n")
}

fn passed() -> Observed {
    let case = case("passes");
    let upstream = UpstreamSaw {
        method: "POST".to_owned(),
        path: "/mcp".to_owned(),
        headers: case.request.headers.clone(),
        body: b"abc".to_vec(),
        complete: true,
    };
    let client =
        ClientSaw { status: Some(200), headers: case.answer.headers.clone(), body: case.answer.body(), broken: None };
    Observed { client, upstream: vec![upstream], late: Vec::new(), left: Left::default(), is_routed: false }
}

#[test]
fn what_passes_must_be_the_same_at_both_ends() {
    let said = |change: fn(&mut Observed)| said("passes", Mode::Hold, &passed(), change);
    assert_eq!(said(|_| {}), "");
    for (change, problem) in [
        ((|seen| seen.upstream.clear()) as fn(&mut Observed), "upstream: got 0 requests"),
        (|seen| seen.upstream.push(seen.upstream[0].clone()), "upstream: got 2 requests"),
        (|seen| seen.upstream[0].complete = false, "broke off"),
        (|seen| seen.upstream[0].body.push(b' '), "upstream: body: 4 bytes, not 3"),
        (|seen| seen.upstream[0].path.push('/'), "upstream: path"),
        (|seen| seen.upstream[0].method = "GET".to_owned(), "upstream: method"),
        (|seen| seen.upstream[0].headers.retain(|(name, _)| name != "x-a"), "upstream: x-a"),
        (|seen| seen.upstream[0].headers.push(("x-a".to_owned(), "2".to_owned())), "upstream: x-a"),
        (|seen| seen.client.status = None, "client: status"),
        (|seen| seen.client.body[0] = b'[', "part at byte 0"),
        (|seen| seen.client.headers.clear(), "client: content-type"),
        (|seen| seen.client.broken = Some("reset".to_owned()), "not complete: reset"),
        (|seen| seen.late.push(0), "before the next was sent"),
    ] {
        let said = said(change);
        assert!(said.contains(problem), "{problem}: {said}");
    }
}

const EDITED: &str =
    "{ edited: { body: 'x<n:2>', headers: [{ x-b: 'y<n:2>' }, { content-length: '3' }], without: [x-a] } }";

#[test]
fn what_is_edited_must_be_edited_as_expected_and_the_rest_be_the_same() {
    let edited = || {
        let mut seen = passed();
        let saw = &mut seen.upstream[0];
        saw.body = b"x0f".to_vec();
        saw.headers.retain(|(name, _)| name != "x-a");
        saw.headers.extend([("x-b", "y0f"), ("content-length", "3")].map(|(n, v)| (n.to_owned(), v.to_owned())));
        seen
    };
    let said = |change: fn(&mut Observed)| said(EDITED, Mode::Hold, &edited(), change);
    assert_eq!(said(|_| {}), "");
    for (change, problem) in [
        ((|seen| seen.upstream[0].body = b"abc".to_vec()) as fn(&mut Observed), "upstream: body: at byte 0"),
        (|seen| seen.upstream[0].body = b"x0e".to_vec(), "upstream: body: at byte 1"),
        (|seen| seen.upstream[0].body.push(b' '), "upstream: body: at byte 3"),
        (|seen| seen.upstream[0].headers.push(("x-a".to_owned(), "1".to_owned())), "upstream: x-a"),
        (|seen| seen.upstream[0].headers.retain(|(name, _)| name != "x-b"), "upstream: x-b"),
        (|seen| seen.upstream[0].headers.push(("x-b".to_owned(), "y0f".to_owned())), "upstream: x-b"),
        (|seen| seen.upstream[0].headers.retain(|(name, _)| name != "content-length"), "upstream: content-length"),
        (|seen| seen.upstream[0].headers.retain(|(name, _)| name != "accept"), "upstream: accept"),
        (|seen| seen.client.body.clear(), "client: body"),
    ] {
        let said = said(change);
        assert!(said.contains(problem), "{problem}: {said}");
    }
}

fn refused() -> Observed {
    let body = br#"{"jsonrpc":"2.0","id":1.0,"error":{"code":-31403,"message":"no","data":{"reason":"denied"}}}"#;
    let client = ClientSaw {
        status: Some(200),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_vec(),
        broken: None,
    };
    Observed { client, upstream: Vec::new(), late: Vec::new(), left: Left::default(), is_routed: false }
}

const REFUSED: &str = "{ refused: { status: 200, code: -31403, reason: denied, id: '1.0' } }";

#[test]
fn a_refusal_must_be_the_one_that_is_expected() {
    let said = |change: fn(&mut Observed)| said(REFUSED, Mode::Hold, &refused(), change);
    assert_eq!(said(|_| {}), "");
    for (change, problem) in [
        ((|seen| edit(seen, "1.0,", "1,")) as fn(&mut Observed), "error begins with"),
        (|seen| edit(seen, "\"id\":1.0,", ""), "error begins with"),
        (|seen| edit(seen, "-31403", "-31404"), "refused with -31404 denied, not -31403 denied"),
        (|seen| edit(seen, "\"denied\"", "\"other\""), "refused with -31403 other"),
        (|seen| edit(seen, "\"no\"", "\"\""), "no message"),
        (|seen| edit(seen, "\"denied\"", "\"denied\",\"rule\":\"secret\""), "error.data is"),
        (|seen| seen.client.body.push(b'x'), "is not one JSON object"),
        (|seen| seen.client.status = Some(403), "client: status"),
        (|seen| seen.client.headers.clear(), "client: content-type"),
        (|seen| seen.upstream.push(UpstreamSaw::default()), "upstream: got 1 requests, not 0"),
    ] {
        let said = said(change);
        assert!(said.contains(problem), "{problem}: {said}");
    }
}

fn edit(seen: &mut Observed, from: &str, to: &str) {
    let body = String::from_utf8(seen.client.body.clone()).unwrap();
    assert!(body.contains(from), "{from}");
    seen.client.body = body.replace(from, to).into_bytes();
}

#[test]
fn without_header_hold_the_upstream_may_see_a_head_and_no_more() {
    let said = |expect, change: fn(&mut Observed)| said(expect, Mode::NoHold, &refused(), change);
    assert_eq!(said(REFUSED, |seen| seen.upstream.push(UpstreamSaw::default())), "");
    let early = "{ refused: { status: 200, code: -31403, reason: denied, id: '1.0', early: true } }";
    for (expect, change, problem) in [
        (early, (|seen| seen.upstream.push(UpstreamSaw::default())) as fn(&mut Observed), "not 0 at most"),
        (REFUSED, |seen| seen.upstream = vec![UpstreamSaw::default(), UpstreamSaw::default()], "not 1 at most"),
        (
            REFUSED,
            |seen| seen.upstream.push(UpstreamSaw { body: b"a".to_vec(), ..UpstreamSaw::default() }),
            "got 1 bytes of the body",
        ),
        (REFUSED, |seen| seen.upstream.push(UpstreamSaw { complete: true, ..UpstreamSaw::default() }), "to its end"),
    ] {
        let said = said(expect, change);
        assert!(said.contains(problem), "{problem}: {said}");
    }
}

#[test]
fn a_replaced_body_is_compared_from_its_first_byte_to_its_last() {
    let expect =
        "{ replaced: { counted: [], body: ['data: ', { error: { code: -31403, reason: denied, id: '1.0' } }, '!'] } }";
    let mut seen = passed();
    seen.client.body = [b"data: ".as_slice(), &refused().client.body, b"!"].concat();
    let said = |change: fn(&mut Observed)| said(expect, Mode::Hold, &seen, change);
    assert_eq!(said(|_| {}), "");
    for (change, problem) in [
        ((|seen| seen.client.body.push(b'!')) as fn(&mut Observed), "something is left: `!`"),
        (|seen| seen.client.body.insert(0, b' '), "not `data: `"),
        (|seen| seen.client.body.truncate(20), "is not an error"),
        (|seen| edit(seen, "denied", "other"), "refused with -31403 other"),
        (|seen| seen.upstream.clear(), "upstream: got 0 requests"),
    ] {
        let said = said(change);
        assert!(said.contains(problem), "{problem}: {said}");
    }
}
