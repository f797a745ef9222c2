//! The same case with its bodies in other pieces, which must not change anything.

use serde_json::Value;

use super::case::{Case, Expect, Framing, Http};

/// Longest body that is cut at every place.
const SHORT: usize = 320;

/// A case with its request body, and then its answer's where answers are read, cut in two at every place, and into
/// single bytes. Each in one mode over one protocol: pieces are the same in all.
#[must_use]
pub fn variations(case: &Case) -> Vec<Case> {
    let mut out = Vec::new();
    let Some(mode) = case.modes.first() else { return out };
    let case = &Case { modes: vec![*mode], http: vec![Http::Two], ..case.clone() };
    let request = case.request.body();
    // In other pieces the length is not said.
    let says_length = match &case.expect {
        Expect::Edited(edited) => edited.headers.iter().any(|line| line.contains_key("content-length")),
        _ => false,
    };
    if !says_length && case.request.pieces.is_some() && case.request.raw.is_none() && request.len() <= SHORT {
        for (how, pieces) in ways(&request) {
            let mut other = case.clone();
            other.name = format!("{}, request {how}", case.name);
            other.request.pieces = Some(pieces);
            other.request.framing = Framing::Chunked;
            out.push(other);
        }
    }
    let answer = case.answer.body();
    let strict = case.config.pointer("/protocol/responses") == Some(&Value::from("strict"));
    let answered =
        matches!(case.expect, Expect::Passes | Expect::PassesWithout(_) | Expect::Edited(_) | Expect::Replaced(_));
    // Where there is a policy, it reads lists and the server's own requests.
    let read = strict || answered && case.config.get("policy").is_some();
    if read && !answer.is_empty() && answer.len() <= SHORT {
        for (how, pieces) in ways(&answer) {
            let mut other = case.clone();
            other.name = format!("{}, answer {how}", case.name);
            other.answer.pieces = pieces;
            other.answer.framing = Framing::Chunked;
            // The pieces are no longer events.
            other.answer.waits = false;
            out.push(other);
        }
    }
    out
}

fn ways(body: &[u8]) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut ways = vec![("byte by byte".to_owned(), body.iter().map(|byte| vec![*byte]).collect())];
    for at in 1..body.len() {
        let (before, behind) = body.split_at_checked(at).unwrap_or((body, &[]));
        ways.push((format!("cut at {at}"), vec![before.to_vec(), behind.to_vec()]));
    }
    ways
}
