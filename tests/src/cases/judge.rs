//! Compares what was seen with what the case says.

use serde_json::Value;

use super::case::{
    Answered, Edited, ErrorSpec, Expect, Field, Mode, Refused, RefusedBatch, Replaced, ReplacedPart, Side, fields,
};
use super::format::FieldLines;
use super::observed::{Observed, Run, values};
use super::pattern::{Bound, matches};

/// Field lines that belong to one connection, or that a proxy writes itself.
const NOT_FORWARDED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Field lines by which Envoy's router goes, and which end there.
const FOR_THE_ROUTER: [&str; 4] = [
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
];

/// Everything that is not as the case says; empty when all is well.
#[must_use]
pub fn judge(run: &Run<'_>, seen: &Observed) -> Vec<String> {
    let mut judge = Judge { run, seen, problems: Vec::new() };
    match &run.case.expect {
        Expect::Passes => judge.passes(&[], &Edited::default()),
        Expect::PassesWithout(names) => judge.passes(names, &Edited::default()),
        Expect::Edited(edited) => judge.passes(&edited.without, edited),
        Expect::BrokenOff => judge.broken_off(),
        Expect::Refused(refused) => judge.refused(refused),
        Expect::Answered(answered) => judge.answered(answered),
        Expect::RefusedBatch(refused) => judge.refused_batch(refused),
        Expect::Replaced(replaced) => judge.replaced(replaced),
    }
    if !seen.late.is_empty() {
        let late = &seen.late;
        judge.problem(format!("the client did not get these pieces of the answer before the next was sent: {late:?}"));
    }
    judge.problems.extend(seen.left.judge(&run.case.leaves));
    judge.problems
}

/// The same for a request that Envoy answers itself.
#[must_use]
pub fn judge_answered_by_envoy(run: &Run<'_>, status: u16, seen: &Observed) -> Vec<String> {
    let mut judge = Judge { run, seen, problems: Vec::new() };
    judge.equal("client: status, which Envoy itself was to give", &seen.client.status, &Some(status));
    judge.upstream_got_no_body(false);
    judge.problems
}

/// Puts the pattern in the place of a body that it describes: two hosts that go by chance do not see the same.
pub(super) fn forget_chance(run: &Run<'_>, seen: &mut Observed) {
    if let (Expect::Edited(Edited { body: Some(body), .. }), [saw]) = (&run.case.expect, seen.upstream.as_mut_slice())
        && matches(body, &saw.body, &mut Bound::new()).is_ok()
    {
        saw.body = body.clone().into_bytes();
    }
}

struct Judge<'a> {
    run: &'a Run<'a>,
    seen: &'a Observed,
    problems: Vec<String>,
}

impl Judge<'_> {
    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, seen: &T, expected: &T) {
        if seen != expected {
            self.problem(format!("{what}: {seen:?}, not {expected:?}"));
        }
    }

    fn same_bytes(&mut self, what: &str, seen: &[u8], expected: &[u8]) {
        if seen != expected {
            let at = seen.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(seen.len().min(expected.len()));
            self.problem(format!(
                "{what}: {} bytes, not {}; they part at byte {at}: `{}`, not `{}`",
                seen.len(),
                expected.len(),
                excerpt(seen, at),
                excerpt(expected, at)
            ));
        }
    }

    fn passes(&mut self, without: &[String], edited: &Edited) {
        self.upstream_got_the_request(without, edited);
        let answer = &self.run.case.answer;
        let set = self.fields(&edited.answer_headers);
        let stays =
            |name: &str| values(&set, name).is_empty() && !edited.answer_without.iter().any(|gone| gone == name);
        let same = answer.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let headers: Vec<_> = same.filter(|(name, _)| stays(name)).chain(set.iter().cloned()).collect();
        self.client(answer.status, &headers);
        for name in &edited.answer_without {
            self.equal(&format!("client: {name}"), &values(&self.seen.client.headers, name), &Vec::new());
        }
        let body = edited.answer_body.as_ref().map_or_else(|| answer.body(), |body| body.clone().into_bytes());
        self.same_bytes("client: body", &self.seen.client.body, &body);
    }

    fn refused(&mut self, refused: &Refused) {
        self.upstream_got_no_body(refused.early);
        self.error_head(refused.status, &refused.headers);
        let Refused { code, reason, id, mut data, retry_after, .. } = refused.clone();
        let waits: Vec<u32> =
            values(&self.seen.client.headers, "retry-after").iter().filter_map(|value| value.parse().ok()).collect();
        match (retry_after, waits.as_slice()) {
            (None, []) => {}
            (Some([least, most]), [wait]) if (least..=most).contains(wait) => {
                data.insert("retryAfter".to_owned(), Value::from(*wait));
            }
            (expected, waits) => self.problem(format!("client: retry-after is {waits:?}, not within {expected:?}")),
        }
        let problems = check_error(&self.seen.client.body, &ErrorSpec { code, reason, id, data });
        self.problems.extend(problems);
    }

    fn broken_off(&mut self) {
        self.upstream_got_no_body(false);
        self.equal("client: status", &self.seen.client.status, &None);
        self.same_bytes("client: body", &self.seen.client.body, b"");
    }

    fn answered(&mut self, answered: &Answered) {
        self.upstream_got_no_body(false);
        self.error_head(200, &Vec::new());
        self.same_bytes("client: body", &self.seen.client.body, answered.body.as_bytes());
    }

    fn refused_batch(&mut self, refused: &RefusedBatch) {
        self.upstream_got_no_body(false);
        self.error_head(refused.status, &Vec::new());
        let body = &self.seen.client.body;
        let Ok(Value::Array(errors)) = serde_json::from_slice(body) else {
            return self.problem(format!("client: `{}` is no array", excerpt(body, 0)));
        };
        self.equal("client: number of errors", &errors.len(), &refused.errors.len());
        for (error, expected) in errors.iter().zip(&refused.errors) {
            self.problems.extend(check_error(&in_our_order(error), expected));
        }
    }

    fn replaced(&mut self, replaced: &Replaced) {
        self.upstream_got_the_request(&[], &Edited::default());
        let headers = self.fields(&replaced.headers);
        self.client(replaced.status.unwrap_or(self.run.case.answer.status), &headers);
        let mut rest = self.seen.client.body.as_slice();
        for part in &replaced.body {
            match part {
                ReplacedPart::Text(text) => match rest.strip_prefix(text.as_bytes()) {
                    Some(behind) => rest = behind,
                    None => return self.problem(format!("client: body: `{}`, not `{text}`", excerpt(rest, 0))),
                },
                ReplacedPart::Error { error } => {
                    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
                    let Some(Ok(_)) = values.next() else {
                        return self.problem(format!("client: body: `{}` is not an error", excerpt(rest, 0)));
                    };
                    let (one, behind) = rest.split_at_checked(values.byte_offset()).unwrap_or((rest, &[]));
                    self.problems.extend(check_error(one, error));
                    rest = behind;
                }
            }
        }
        if !rest.is_empty() {
            self.problem(format!("client: body: something is left: `{}`", excerpt(rest, 0)));
        }
    }

    fn fields(&mut self, lines: &FieldLines) -> Vec<Field> {
        fields(lines).unwrap_or_else(|error| {
            self.problem(format!("the case itself: {error:#}"));
            Vec::new()
        })
    }

    fn error_head(&mut self, status: u16, headers: &FieldLines) {
        let mut headers = self.fields(headers);
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        self.client(status, &headers);
    }

    /// Status, header fields and completeness of the response.
    fn client(&mut self, status: u16, headers: &[Field]) {
        let client = &self.seen.client;
        self.equal("client: status", &client.status, &Some(status));
        for (name, _) in headers {
            self.equal(&format!("client: {name}"), &values(&client.headers, name), &values(headers, name));
        }
        match (&client.broken, self.run.case.answer.breaks_off) {
            (Some(broken), None) => self.problem(format!("client: the response is not complete: {broken}")),
            (None, Some(Side::Upstream)) => self.problem("client: the response seems complete, but broke off"),
            _ => {}
        }
    }

    fn upstream_got_the_request(&mut self, without: &[String], edited: &Edited) {
        let request = &self.run.case.request;
        let [saw] = self.seen.upstream.as_slice() else {
            return self.problem(format!("upstream: got {} requests, not one", self.seen.upstream.len()));
        };
        if !saw.complete {
            self.problem("upstream: the request broke off");
        }
        self.equal("upstream: method", &saw.method, &request.method);
        self.equal("upstream: path", &saw.path, &request.path);
        let set = self.fields(&edited.headers);
        self.edited(edited, &set);
        for name in without {
            self.equal(&format!("upstream: {name}"), &values(&saw.headers, name), &Vec::new());
        }
        for (name, _) in &request.headers {
            let name = name.to_ascii_lowercase();
            if !without.contains(&name) && values(&set, &name).is_empty() && !NOT_FORWARDED.contains(&name.as_str()) {
                let sent = values(&request.headers, &name);
                self.equal(&format!("upstream: {name}"), &values(&saw.headers, &name), &sent);
            }
        }
    }

    /// The body and the header fields that are edited.
    fn edited(&mut self, edited: &Edited, set: &[Field]) {
        let [saw] = self.seen.upstream.as_slice() else { return };
        let mut bound = Bound::new();
        for (name, _) in set {
            let is_taken = self.seen.is_routed && FOR_THE_ROUTER.contains(&name.as_str());
            let wanted = if is_taken { Vec::new() } else { values(set, name) };
            let got = values(&saw.headers, name);
            let fits = got.len() == wanted.len()
                && wanted.iter().zip(&got).all(|(wanted, got)| matches(wanted, got.as_bytes(), &mut bound).is_ok());
            if !fits {
                self.problem(format!("upstream: {name}: {got:?}, not {wanted:?} with {bound:?}"));
            }
        }
        match &edited.body {
            None => self.same_bytes("upstream: body", &saw.body, &self.run.case.request.body()),
            Some(body) => {
                if let Err(at) = matches(body, &saw.body, &mut bound) {
                    let (seen, whole) = (excerpt(&saw.body, at), excerpt(&saw.body, 0));
                    self.problem(format!(
                        "upstream: body: at byte {at} `{seen}` of `{whole}` is not `{body}` with {bound:?}"
                    ));
                }
            }
        }
    }

    /// With header hold the upstream gets nothing at all of a refused request, without it headers at most.
    fn upstream_got_no_body(&mut self, early: bool) {
        let allowed = usize::from(!early && self.run.mode == Mode::NoHold);
        if self.seen.upstream.len() > allowed {
            self.problem(format!("upstream: got {} requests, not {allowed} at most", self.seen.upstream.len()));
        }
        for saw in &self.seen.upstream {
            if !saw.body.is_empty() {
                self.problem(format!("upstream: got {} bytes of the body of a refused request", saw.body.len()));
            }
            if saw.complete {
                self.problem("upstream: got a refused request to its end");
            }
        }
    }
}

/// A batch's error with its members in the order in which an error is written; `serde_json` sorts them.
fn in_our_order(error: &Value) -> Vec<u8> {
    let id = error.get("id").map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    let inner = error.get("error").unwrap_or(&Value::Null);
    format!(r#"{{"jsonrpc":{},{id}"error":{inner}}}"#, error.get("jsonrpc").unwrap_or(&Value::Null)).into_bytes()
}

/// Checks an error's bytes: it begins with the id to the letter, and has nothing that was not asked for.
fn check_error(body: &[u8], expected: &ErrorSpec) -> Vec<String> {
    let id = expected.id.as_ref().map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    let beginning = format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"#);
    if !body.starts_with(beginning.as_bytes()) {
        return vec![format!("client: error begins with `{}`, not with `{beginning}`", excerpt(body, 0))];
    }
    let Ok(Value::Object(message)) = serde_json::from_slice(body) else {
        return vec![format!("client: `{}` is not one JSON object", excerpt(body, 0))];
    };
    let mut problems = Vec::new();
    let error = message.get("error").unwrap_or(&Value::Null);
    let reason = error.pointer("/data/reason").and_then(Value::as_str);
    if error.get("code") != Some(&Value::from(expected.code)) || reason != Some(&expected.reason) {
        let code = error.get("code").unwrap_or(&Value::Null);
        problems.push(format!(
            "client: refused with {code} {}, not {} {}",
            reason.unwrap_or("without a reason"),
            expected.code,
            expected.reason
        ));
    }
    if error.get("message").and_then(Value::as_str).is_none_or(str::is_empty) {
        problems.push("client: the error has no message".to_owned());
    }
    let mut data = expected.data.clone();
    data.insert("reason".to_owned(), Value::from(reason));
    if error.get("data") != Some(&Value::Object(data.clone())) {
        let seen = error.get("data").unwrap_or(&Value::Null);
        problems.push(format!("client: error.data is {seen}, not {}", Value::Object(data)));
    }
    problems
}

/// A few bytes around a place, for a message.
fn excerpt(bytes: &[u8], at: usize) -> String {
    let from = at.saturating_sub(8);
    let some = bytes.get(from..).unwrap_or_default();
    some.get(..120).unwrap_or(some).escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
