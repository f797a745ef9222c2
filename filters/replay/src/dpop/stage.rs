//! The stage: who sends an access token has the key that it is bound to.
//!
//! All is checked at the head, but for the proof's `jti`: it is used when the first message is decided, or the head of what has no
//! message, which can wait for who counts for all proxies. What a token is bound to is the word of whoever verified it, never the token's
//! own.

use std::fmt;
use std::rc::Rc;

use meshward_engine::{
    Call, CalloutOutcome, Decision, HeadVerdict, HeaderEdit, Headers, Host, Mode, Scope, Stage, StageExchange, Verdict,
};
use meshward_identity::{Identity, Wanted};
use meshward_signatures::{JwsAlgorithm, Presented, Proof, ProofFault, ProofVerifier, normal_target};
use meshward_wire::refusal::Reason;

use super::challenge::{self, challenge};
use super::config::{DpopAlgorithm, DpopConfig};
use crate::config::Leniency;
use crate::key::{Environment, seal_keys};
use crate::nonces::{Nonces, Window};
use crate::stages::ReplayError;

const SECOND: u64 = 1_000_000_000;
const NONCE: &str = "dpop-nonce";

/// Lets only requests pass whose token comes with its key.
pub(crate) struct DpopStage {
    shared: Rc<Shared>,
}

struct Shared {
    mode: Mode,
    verifier: ProofVerifier,
    /// As clients are told: separated by spaces.
    algorithms: String,
    /// Without the slash at their end. Empty: as the request has it.
    base_urls: Vec<String>,
    unbound: Leniency,
    /// `None`: proofs need no nonce.
    challenge: Option<challenge::Nonces>,
    metadata: Option<String>,
    identity: Identity,
    nonces: Rc<Nonces>,
}

impl fmt::Debug for DpopStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopStage").field("verifier", &self.shared.verifier).finish_non_exhaustive()
    }
}

impl DpopStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub(crate) fn new(
        config: &DpopConfig,
        identity: Identity,
        nonces: &Rc<Nonces>,
        environment: Environment<'_>,
    ) -> Result<Self, ReplayError> {
        let skew = config.clock_skew.0.as_secs();
        let challenge = match &config.nonce {
            None => None,
            Some(nonce) => {
                let keys = seal_keys(&nonce.keys, environment)
                    .map_err(|(index, message)| ReplayError { path: format!("dpop.nonce.keys[{index}]"), message })?;
                Some(challenge::Nonces { keys, life: nonce.life.0.as_secs(), skew })
            }
        };
        let algorithms: Vec<JwsAlgorithm> = config.algorithms.iter().copied().map(DpopAlgorithm::into).collect();
        let shared = Shared {
            mode: config.mode,
            algorithms: algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(" "),
            verifier: ProofVerifier { algorithms, max_age: config.max_age.0.as_secs(), clock_skew: skew },
            base_urls: config.base_urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect(),
            unbound: config.unbound,
            challenge,
            metadata: config.resource_metadata.clone(),
            identity,
            nonces: Rc::clone(nonces),
        };
        Ok(Self { shared: Rc::new(shared) })
    }
}

impl Stage for DpopStage {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn edits_response_heads(&self) -> bool {
        self.shared.challenge.is_some()
    }

    fn start(&self, host: &dyn Host) {
        self.shared.nonces.start(host);
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(DpopExchange { shared: Rc::clone(&self.shared), held: None, next_nonce: None })
    }
}

/// The stage's part in one exchange.
struct DpopExchange {
    shared: Rc<Shared>,
    /// A proof that counts, until it is used.
    held: Option<Held>,
    /// What the client is to use from now on.
    next_nonce: Option<String>,
}

/// A proof that counts, and the thumbprint of its key.
struct Held {
    key: String,
    proof: Proof,
}

impl Held {
    /// Within what its `jti` is unlike all others (RFC 9449, section 11.1).
    fn scope(&self) -> Vec<u8> {
        [&b"dpop "[..], self.key.as_bytes()].concat()
    }
}

/// The one line of a field. `None`: there are none or several, or its name has a `_` that some servers take for `-`.
fn only<'a>(head: Headers<'a>, name: &str) -> Option<&'a [u8]> {
    let mut lines = head.taken_for(name);
    let (_, value) = lines.next().filter(|(name, _)| !name.contains(&b'_'))?;
    lines.next().is_none().then(|| value.trim_ascii())
}

/// The token of an `Authorization: DPoP` (RFC 9449, section 7.1).
fn token(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(4)?;
    let token = token.strip_prefix(b" ")?.trim_ascii_start();
    let is_token = !token.is_empty() && token.iter().all(|b| b.is_ascii_graphic() && *b != b',');
    (scheme.eq_ignore_ascii_case(b"dpop") && is_token).then_some(token)
}

impl Shared {
    /// The proof of a request. `None`: it needs none.
    fn check(&self, head: Headers<'_>, method: &[u8], scope: &mut Scope<'_>) -> Result<Option<Held>, Reason> {
        let authorization = only(head, "authorization");
        let token = authorization.and_then(token);
        let claims = self.identity.caller(Wanted { claims: true, ..Wanted::default() }, &*scope.host).claims;
        let bound_to = claims.as_ref().and_then(|claims| claims.get("cnf")?.get("jkt"));
        let (token, bound_to) = match (token, bound_to) {
            (Some(token), Some(bound_to)) => (token, bound_to.as_str().ok_or(Reason::DpopKeyMismatch)?),
            (None, Some(_)) => return Err(Reason::DpopTokenDowngraded),
            (None, None) if self.unbound == Leniency::Accept => return Ok(None),
            // A token that comes with this scheme is bound, or does not count.
            (_, None) if claims.is_some() => return Err(Reason::DpopTokenUnbound),
            (_, None) => return Err(Reason::DpopTokenMissing),
        };
        if head.taken_for("dpop").next().is_none() {
            return Err(Reason::DpopProofMissing);
        }
        let proof = only(head, "dpop").ok_or(Reason::DpopProofMalformed)?;
        let targets = self.targets(head);
        let presented = Presented { method, targets: &targets, token, bound_to };
        let now = scope.host.now() / SECOND;
        let proof = self.verifier.verify(proof, presented, now).map_err(reason)?;
        scope.note("dpop_key", || bound_to.to_owned());
        Ok(Some(Held { key: bound_to.to_owned(), proof }))
    }

    /// How a client may name what it sends this request to.
    fn targets(&self, head: Headers<'_>) -> Vec<String> {
        let text = |name: &str| std::str::from_utf8(head.first(name).unwrap_or_default()).unwrap_or_default();
        let path = text(":path").split(['?', '#']).next().unwrap_or_default();
        if !self.base_urls.is_empty() {
            return self.base_urls.iter().filter_map(|base| normal_target(&format!("{base}{path}"))).collect();
        }
        let forwarded = only(head, "x-forwarded-proto").and_then(|value| std::str::from_utf8(value).ok());
        let scheme = forwarded.unwrap_or_else(|| text(":scheme"));
        normal_target(&format!("{scheme}://{}{path}", text(":authority"))).into_iter().collect()
    }

    /// Whether a proof has a nonce that was given out here, and the next one where it is time for that.
    fn check_nonce(&self, proof: &Proof, now: u64) -> Result<Option<String>, Reason> {
        let Some(challenge) = &self.challenge else { return Ok(None) };
        let nonce = proof.nonce.as_deref().ok_or(Reason::DpopNonceMissing)?;
        let age = challenge.age(nonce, now).ok_or(Reason::DpopNonceUnknown)?;
        Ok(if challenge.is_due(age) { challenge.give(now) } else { None })
    }

    /// Tells a caller that is refused what to do.
    fn answer(&self, reason: Reason, given: bool, scope: &mut Scope<'_>) {
        if reason.http_status() != 401 {
            return;
        }
        let metadata = self.metadata.as_deref();
        scope.answer_with("www-authenticate", challenge(reason, given, &self.algorithms, metadata));
        let now = scope.host.now() / SECOND;
        if let Some(nonce) = self.challenge.as_ref().and_then(|challenge| challenge.give(now)) {
            scope.answer_with(NONCE, nonce);
        }
    }

    fn judge(&self, outcome: Result<(), Reason>, given: bool, scope: &mut Scope<'_>) -> HeadVerdict {
        let Err(reason) = outcome else { return HeadVerdict::Pass };
        match self.mode {
            Mode::Observe => HeadVerdict::Observe(Decision::new(reason)),
            Mode::Enforce => {
                self.answer(reason, given, scope);
                HeadVerdict::Refuse(Decision::new(reason))
            }
        }
    }

    /// When a proof counts.
    fn window(&self, proof: &Proof) -> Window {
        Window {
            from: Some(proof.created.saturating_sub(self.verifier.clock_skew).saturating_mul(SECOND)),
            until: proof.until.saturating_mul(SECOND),
        }
    }

    fn verdict(&self, used: Result<(), Reason>, scope: &mut Scope<'_>) -> Verdict {
        match self.judge(used.map_err(again), true, scope) {
            HeadVerdict::Pass => Verdict::Pass,
            HeadVerdict::Observe(decision) => Verdict::Observe(decision),
            HeadVerdict::Refuse(decision) => Verdict::Refuse(decision),
        }
    }
}

impl DpopExchange {
    /// What of a request its head tells. A proof that counts is kept until it is used.
    fn check(&mut self, head: Headers<'_>, method: &[u8], scope: &mut Scope<'_>) -> Result<(), Reason> {
        let shared = Rc::clone(&self.shared);
        let Some(held) = shared.check(head, method, scope)? else { return Ok(()) };
        self.next_nonce = shared.check_nonce(&held.proof, scope.host.now() / SECOND)?;
        self.held = Some(held);
        Ok(())
    }

    fn use_proof(&mut self, scope: &mut Scope<'_>) -> Verdict {
        let Some(held) = self.held.take() else { return Verdict::Pass };
        let window = self.shared.window(&held.proof);
        let id = held.proof.id.as_bytes();
        match self.shared.nonces.accept_everywhere(&*scope.host, &held.scope(), id, window) {
            Ok(Some(callout)) => Verdict::Ask(callout),
            used => self.shared.verdict(used.map(drop), scope),
        }
    }

    fn answered(&self, ended: &CalloutOutcome, scope: &mut Scope<'_>) -> Verdict {
        self.shared.verdict(self.shared.nonces.answered(ended), scope)
    }
}

impl StageExchange for DpopExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        let method = head.first(":method").unwrap_or_default();
        // A browser's preflight has no credentials (Fetch, section 3.3.5).
        if method == b"OPTIONS" {
            return HeadVerdict::Pass;
        }
        let given = head.first("authorization").is_some();
        let checked = self.check(head, method, scope);
        self.shared.judge(checked, given, scope)
    }

    fn request_without_message(&mut self, answer: Option<&CalloutOutcome>, scope: &mut Scope<'_>) -> Verdict {
        match answer {
            Some(ended) => self.answered(ended, scope),
            None => self.use_proof(scope),
        }
    }

    fn request(&mut self, _: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        // A proof is that of a whole request: the first message speaks for all of a batch.
        self.use_proof(scope)
    }

    fn resumed(&mut self, _: &Call<'_>, ended: &CalloutOutcome, scope: &mut Scope<'_>) -> Verdict {
        self.answered(ended, scope)
    }

    fn edit_response_head(&mut self, _: Headers<'_>, scope: &mut Scope<'_>) {
        if let Some(nonce) = self.next_nonce.take() {
            scope.edit_response_head(HeaderEdit::Set(NONCE, nonce.into_bytes()));
        }
    }
}

/// A proof for the second time is none.
const fn again(reason: Reason) -> Reason {
    match reason {
        Reason::NonceReused => Reason::DpopProofReused,
        reason => reason,
    }
}

const fn reason(fault: ProofFault) -> Reason {
    match fault {
        ProofFault::Malformed => Reason::DpopProofMalformed,
        ProofFault::Algorithm => Reason::DpopAlgorithm,
        ProofFault::Key => Reason::DpopKeyMismatch,
        ProofFault::Forged => Reason::DpopProofInvalid,
        ProofFault::Target => Reason::DpopTargetMismatch,
        ProofFault::Token => Reason::DpopTokenMismatch,
        ProofFault::Expired => Reason::DpopProofExpired,
        ProofFault::Early => Reason::DpopProofEarly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_with_its_scheme() {
        for (authorization, found) in [
            ("DPoP a.b.c", Some("a.b.c")),
            ("dpop a~b-c_d+e/f==", Some("a~b-c_d+e/f==")),
            ("DPoP   a", Some("a")),
            ("Bearer a", None),
            ("DPoP", None),
            ("DPoP ", None),
            ("DPoPa", None),
            ("DPoP\ta", None),
            ("DPoP a b", None),
            ("DPoP a, Bearer b", None),
            ("DPoP a,b", None),
            ("", None),
        ] {
            assert_eq!(token(authorization.as_bytes()), found.map(str::as_bytes), "{authorization}");
        }
    }

    #[test]
    fn a_field_is_there_once_under_its_own_name() {
        type Lines<'a> = &'a [(&'a [u8], &'a [u8])];
        let cases: [(Lines<'_>, Option<&[u8]>); 5] = [
            (&[(b"dpop", b" a ")], Some(b"a")),
            (&[], None),
            (&[(b"dpop", b"a"), (b"dpop", b"a")], None),
            (&[(b"x_y", b"a")], None),
            (&[(b"DPoP", b"a"), (b"x", b"b")], Some(b"a")),
        ];
        for (lines, found) in cases {
            assert_eq!(only(Headers::new(lines), "dpop"), found, "{lines:?}");
        }
        assert_eq!(only(Headers::new(&[(b"x_forwarded_proto", b"https")]), "x-forwarded-proto"), None);
    }
}
