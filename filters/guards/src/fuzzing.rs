//! What the fuzz target runs: it takes any bytes and breaks a promise with a panic, if there is one to break.
//!
//! It lives here so that a plain test runs it too, on the seeds; see `fuzz/`.

use meshward_wire::json::{self, Span};
use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Message, Reader};
use meshward_wire::refusal::Reason;
use meshward_wire::splice::Splices;

use crate::results::{Results, ResultsConfig};

const LIMITS: Limits = Limits {
    max_bytes: 1 << 16,
    max_depth: 32,
    max_batch: 8,
    max_id_bytes: 64,
    max_method_bytes: 64,
    max_name_bytes: 64,
};

thread_local! {
    static RESULTS: Option<Results> = {
        let builtin = vec!["secrets".to_owned(), "personal_data".to_owned()];
        Results::new(&ResultsConfig { builtin, max_matches: 100_000, ..ResultsConfig::default() }).ok()
    };
}

/// What is left of a message is a message of the same kind, with as many strings.
pub fn results(data: &[u8]) {
    const LONG: usize = 1 << 24;
    let limits = Limits { max_bytes: LONG, max_id_bytes: LONG, max_method_bytes: LONG, max_name_bytes: LONG, ..LIMITS };
    let Ok(Body::One(message)) = Reader::new(LIMITS).read(data) else { return };
    let Some(value) = message.result().or(message.error()).or(message.params()) else { return };
    let Some(left) = RESULTS.with(|results| redacted(results.as_ref()?, message.text(), value)) else { return };
    match Reader::new(limits).read(&left) {
        Ok(Body::One(second)) => {
            let strings = |message: &Message<'_>| json::strings(message.text(), message.span()).count();
            assert_eq!((second.kind(), strings(&second)), (message.kind(), strings(&message)));
        }
        // The server may have a key that is a replacement.
        other => assert!(other.is_err_and(|error| error.reason == Reason::DuplicateKey)),
    }
}

fn redacted(results: &Results, text: &str, message: Span) -> Option<Vec<u8>> {
    let inspected = results.inspect(text, message, || None);
    let mut splices = Splices::default();
    inspected.edits.into_iter().for_each(|(at, with)| splices.replace(at, with.into_bytes()));
    splices.apply(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seeds_keep_the_promise() {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/results");
        let seeds: Vec<_> = std::fs::read_dir(&seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            results(&std::fs::read(seed).unwrap());
        }
    }

    proptest! {
        #[test]
        fn made_up_values_keep_the_promise(texts in prop::collection::vec("(AKIA[A-Z]{16}|[a-z]+@a\\.de|\"|\\\\|[ -~]){0,4}", 0..6)) {
            let strings: Vec<_> = texts.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
            let pairs: Vec<_> = strings.iter().map(|text| format!("{text}:{text}")).collect();
            for value in [format!("[{}]", strings.join(",")), format!("{{{}}}", pairs.join(","))] {
                results(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"a\":{value}}}}}").as_bytes());
            }
        }
    }
}
