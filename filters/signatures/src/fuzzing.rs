//! What the fuzz targets run: any field lines, any proofs, and a promise of signatures that is broken with a panic, if there is one to break.
//!
//! It lives here so that a plain test runs it too, on the seeds and on made-up values; see `fuzz/`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{
    Coverage, Jwk, JwkSet, JwsAlgorithm, Keys, NonceDemand, Presented, ProofVerifier, Request, Signer, SigningKey,
    Stamp, Verifier, VerifyingKey, normal_target,
};

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

/// The proof of RFC 9449, figure 12, which nobody can alter.
const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const MADE: u64 = 1_562_262_618;

/// Of all proofs only the one counts that was made, whoever writes them: as a whole, or by its header and claims, one in each line, in front of its
/// signature. A URI stays what it is when it is normalized again.
pub fn dpop(data: &[u8]) {
    let verifier = ProofVerifier { algorithms: JwsAlgorithm::ALL.to_vec(), max_age: 60, clock_skew: 5 };
    let targets: Vec<String> = normal_target("https://resource.example.org/protectedresource").into_iter().collect();
    let presented = Presented { method: b"GET", targets: &targets, token: TOKEN, bound_to: THUMBPRINT };
    let counts = |proof: &[u8]| verifier.verify(proof, presented, MADE).is_ok();
    if counts(data) != (data == PROOF.as_bytes()) {
        broken("this proof counts, or the real one does not", data);
    }
    let signature = PROOF.rsplit('.').next().unwrap_or_default();
    let mut lines = data.splitn(2, |b| *b == b'\n').map(|line| URL_SAFE_NO_PAD.encode(line));
    let written = format!("{}.{}.{signature}", lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if counts(written.as_bytes()) != (written == PROOF) {
        broken("this proof counts", data);
    }
    if let Some(target) = std::str::from_utf8(data).ok().and_then(normal_target)
        && normal_target(&target).as_ref() != Some(&target)
    {
        broken("this URI is not what it was when it is normalized again", data);
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
        for name in ["signatures", "dpop"] {
            let target = if name == "dpop" { dpop } else { signatures };
            let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
            let seeds: Vec<_> = std::fs::read_dir(&seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
            assert!(!seeds.is_empty());
            for seed in seeds {
                let seed = std::fs::read(seed).unwrap();
                (0..=seed.len()).for_each(|end| target(&seed[..end]));
            }
        }
    }

    proptest! {
        #[test]
        fn lines_keep_the_promise(lines in prop::collection::vec(
            ("(:method|:path|:authority|mcp-[a-z _]{0,4}|Mcp_[A-Z]|last-event-id|content-digest|signature|signature-input)", "[ -~\u{e9}]{0,20}"), 0..8)) {
            let text: String = lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            signatures(text.as_bytes());
        }

        #[test]
        fn no_change_of_a_proof_counts(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut changed = PROOF.as_bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] = byte;
            dpop(&changed);
        }

        #[test]
        fn uris_keep_the_promise(uri in "(https?|HTTP)://[a-zA-Z0-9.:@%\\[\\]-]{0,12}(/[a-zA-Z.%0-9~?#]{0,5}){0,4}") {
            dpop(uri.as_bytes());
        }
    }
}
