//! What the fuzz target runs: any field lines, and a promise of signatures that is broken with a panic, if there is one to break.
//!
//! It lives here so that a plain test runs it too, on the seeds and on made-up values; see `fuzz/`.

use crate::{Coverage, Jwk, JwkSet, Keys, NonceDemand, Request, Signer, SigningKey, Stamp, Verifier, VerifyingKey};

const SECRET: &[u8] = b"nobody who writes field lines knows it";
const NOW: u64 = 1_763_760_000;

/// Nothing that anybody writes passes for signed, and whatever can be signed here is found to be. Each line is a field line, `name: value`;
/// what has no colon is a digest, a key and a set of keys.
pub fn signatures(data: &[u8]) {
    let mut lines: Vec<(&[u8], &[u8])> = Vec::new();
    for line in data.split(|b| *b == b'\n') {
        // Behind the first byte: the name of a pseudo field begins with a colon.
        let colon = line.iter().skip(1).position(|b| *b == b':').map(|at| at.saturating_add(1));
        match colon.and_then(|at| Some((line.get(..at)?, line.get(at.saturating_add(1)..)?))) {
            Some((name, value)) => lines.push((name, value)),
            None => {
                let _: Result<_, _> = crate::check_digest(line, data);
                for key in JwkSet::read(line).unwrap_or_default().0 {
                    usable(&key);
                }
            }
        }
    }
    let (Ok(signing), Ok(verifying)) = (SigningKey::hmac(SECRET), VerifyingKey::hmac(SECRET)) else { return };
    let mut keys = Keys::default();
    keys.add("k".to_owned(), verifying);
    let coverage = Coverage::with([]);
    let verifier =
        Verifier { coverage: coverage.clone(), tag: None, max_age: 60, clock_skew: 5, nonce: NonceDemand::Optional };
    let request = Request::new(&lines);
    let has_content = request.combined("content-digest").is_some();
    if verifier.verify(&request, &[&keys], NOW, has_content).is_ok() {
        broken("this passes for signed", data);
    }
    lines.retain(|(name, _)| !name.to_ascii_lowercase().starts_with(b"signature"));
    let signer = Signer { label: "s".to_owned(), key_id: "k".to_owned(), key: signing, coverage, tag: None };
    let stamp = Stamp { created: NOW, expires: None, nonce: None };
    let Ok(signed) = signer.sign(&Request::new(&lines), stamp, has_content) else { return };
    lines.push((b"signature-input", signed.input.as_bytes()));
    lines.push((b"signature", signed.signature.as_bytes()));
    if let Err(failure) = verifier.verify(&Request::new(&lines), &[&keys], NOW, has_content) {
        broken(&format!("what was signed is found to be none: {failure}"), data);
    }
}

fn usable(key: &Jwk) {
    if key.verifying_key().is_ok() && key.thumbprint().is_none() {
        broken("a key has no thumbprint", b"");
    }
}

#[expect(clippy::panic, reason = "how a fuzz target says that it found something")]
fn broken(what: &str, data: &[u8]) {
    panic!("{what}: {}", String::from_utf8_lossy(data));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every seed, and every beginning of it.
    #[test]
    fn seeds_keep_the_promise() {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/signatures");
        let seeds: Vec<_> = std::fs::read_dir(&seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            let seed = std::fs::read(seed).unwrap();
            (0..=seed.len()).for_each(|end| signatures(&seed[..end]));
        }
    }

    proptest! {
        #[test]
        fn lines_keep_the_promise(lines in prop::collection::vec(
            ("(:method|:path|:authority|mcp-[a-z _]{0,4}|Mcp_[A-Z]|last-event-id|content-digest|signature|signature-input)", "[ -~\u{e9}]{0,20}"), 0..8)) {
            let text: String = lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            signatures(text.as_bytes());
        }
    }
}
