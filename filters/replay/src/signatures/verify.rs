//! The stage: a request comes with a signature that counts, over what is there.
//!
//! The signature is checked at the head, over the fields as they came; its digest of the body when that is there. So what is not
//! signed is refused before anything of it goes on, with or without header hold. Its nonce is used when the first message is
//! decided, or the head of what has no message: those can wait for who counts nonces for all proxies, and nothing goes on before.

use std::fmt;
use std::rc::Rc;

use meshward_engine::{
    Call, CalloutOutcome, Decision, HeadVerdict, Headers, Host, Mode, Scope, Stage, StageExchange, TickScope, Ticker,
    Verdict,
};
use meshward_signatures::{
    Coverage, DigestFault, Failure, Keys, NonceDemand, Request, Verified, Verifier, check_digest,
};
use meshward_wire::refusal::Reason;

use super::config::{NonceConfig, VerifyConfig, coverage};
use super::key_sets::KeySets;
use super::keys::resolve_verifying;
use crate::key::Environment;
use crate::nonces::{Nonces, Window};
use crate::stages::ReplayError;

const SECOND: u64 = 1_000_000_000;

/// Lets only signed requests pass.
pub(crate) struct VerifyStage {
    shared: Rc<Shared>,
}

struct Shared {
    mode: Mode,
    verifier: Verifier,
    keys: Keys,
    key_sets: KeySets,
    /// `None`: nonces are not looked at.
    nonces: Option<Rc<Nonces>>,
}

impl fmt::Debug for VerifyStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyStage").field("verifier", &self.shared.verifier).finish_non_exhaustive()
    }
}

impl VerifyStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub(crate) fn new(
        config: &VerifyConfig,
        nonces: &Rc<Nonces>,
        environment: Environment<'_>,
    ) -> Result<Self, ReplayError> {
        let mut keys = Keys::default();
        for (index, key) in config.keys.iter().enumerate() {
            let resolved = resolve_verifying(key, environment);
            let path = || format!("signatures.verify.keys[{index}]");
            keys.add(key.id.clone(), resolved.map_err(|message| ReplayError { path: path(), message })?);
        }
        let verifier = Verifier {
            coverage: coverage(&config.covers),
            tag: config.tag.clone(),
            max_age: config.max_age.0.as_secs(),
            clock_skew: config.clock_skew.0.as_secs(),
            nonce: match config.nonce {
                NonceConfig::Required => NonceDemand::Required,
                NonceConfig::Optional | NonceConfig::Ignored => NonceDemand::Optional,
            },
        };
        let key_sets = KeySets::new(&config.key_sets);
        let nonces = (config.nonce != NonceConfig::Ignored).then(|| Rc::clone(nonces));
        Ok(Self { shared: Rc::new(Shared { mode: config.mode, verifier, keys, key_sets, nonces }) })
    }
}

impl Stage for VerifyStage {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn sees_bodies(&self) -> bool {
        true
    }

    fn start(&self, host: &dyn Host) {
        if let Some(nonces) = &self.shared.nonces {
            nonces.start(host);
        }
    }

    fn ticker(&self) -> Option<&dyn Ticker> {
        (!self.shared.key_sets.is_empty()).then_some(self)
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(VerifyExchange { shared: Rc::clone(&self.shared), awaited: None, verified: None })
    }
}

impl Ticker for VerifyStage {
    fn period(&self) -> Option<u32> {
        self.shared.key_sets.period()
    }

    fn tick(&self, scope: &mut TickScope<'_>) {
        self.shared.key_sets.tick(scope);
    }

    fn called(&self, call: u16, outcome: &CalloutOutcome, scope: &mut TickScope<'_>) {
        self.shared.key_sets.called(call, outcome, scope);
    }
}

/// The stage's part in one exchange.
struct VerifyExchange {
    shared: Rc<Shared>,
    /// What holds if the body is the one that was signed.
    awaited: Option<Awaited>,
    /// All of it is as it was signed, and its nonce is not used yet.
    verified: Option<Verified>,
}

struct Awaited {
    verified: Verified,
    /// The combined value of `content-digest`.
    digest: Vec<u8>,
    /// What the caller is told if it is not.
    challenge: String,
}

impl Shared {
    fn judge(&self, outcome: Result<(), Reason>, challenge: &str, scope: &mut Scope<'_>) -> HeadVerdict {
        let Err(reason) = outcome else { return HeadVerdict::Pass };
        let decision = Decision::new(reason);
        match self.mode {
            Mode::Observe => HeadVerdict::Observe(decision),
            Mode::Enforce => {
                if reason.http_status() == 401 {
                    // RFC 9110, section 15.5.2 wants a scheme; RFC 9421, section 5 says what is to be signed.
                    scope.answer_with("www-authenticate", "Signature".to_owned());
                    scope.answer_with("accept-signature", challenge.to_owned());
                }
                HeadVerdict::Refuse(decision)
            }
        }
    }

    /// What of a signature counts once, where that is looked at.
    fn nonce<'v>(&self, verified: &'v Verified) -> Option<(&Nonces, Once<'v>)> {
        let (nonces, nonce) = (self.nonces.as_deref()?, verified.nonce.as_deref()?);
        let window = Window {
            from: Some(verified.created.saturating_sub(self.verifier.clock_skew).saturating_mul(SECOND)),
            until: verified.until.saturating_mul(SECOND),
        };
        let scope = [&b"signature "[..], verified.key_id.as_bytes()].concat();
        Some((nonces, Once { scope, nonce: nonce.as_bytes(), window }))
    }

    fn verdict(&self, used: Result<(), Reason>) -> Verdict {
        match (used.map_err(Decision::new), self.mode) {
            (Ok(()), _) => Verdict::Pass,
            (Err(decision), Mode::Enforce) => Verdict::Refuse(decision),
            (Err(decision), Mode::Observe) => Verdict::Observe(decision),
        }
    }
}

/// What counts once.
struct Once<'v> {
    scope: Vec<u8>,
    nonce: &'v [u8],
    window: Window,
}

impl StageExchange for VerifyExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        let lines: Vec<_> = head.iter().collect();
        let request = Request::new(&lines);
        let has_content = head.first(":method") == Some(b"POST");
        let shared = Rc::clone(&self.shared);
        let now = scope.host.now() / SECOND;
        let fetched = shared.key_sets.keys(&*scope.host);
        let keys: Vec<&Keys> = std::iter::once(&shared.keys).chain(fetched.iter().flatten().map(Rc::as_ref)).collect();
        let verified = shared.verifier.verify(&request, &keys, now, has_content);
        let challenge = || challenge(&shared.verifier.coverage, &request, has_content, shared.verifier.tag.as_deref());
        let outcome = match verified {
            // A set that is not there may have it.
            Err(Failure::KeyUnknown) if fetched.iter().any(Option::is_none) => Err(Reason::SignatureKeysUnavailable),
            Err(Failure::KeyUnknown) => {
                shared.key_sets.missed(&*scope.host);
                Err(Reason::SignatureKeyUnknown)
            }
            Err(failure) => Err(reason(failure)),
            Ok(verified) => {
                scope.note("signed_by", || verified.key_id.clone());
                match request.combined("content-digest") {
                    Some(digest) if has_content => {
                        self.awaited = Some(Awaited { verified, digest, challenge: challenge() });
                    }
                    _ => self.verified = Some(verified),
                }
                return HeadVerdict::Pass;
            }
        };
        shared.judge(outcome, &challenge(), scope)
    }

    fn request_body(&mut self, body: &[u8], scope: &mut Scope<'_>) -> HeadVerdict {
        // Without it the head was refused, or observed.
        let Some(Awaited { verified, digest, challenge }) = self.awaited.take() else { return HeadVerdict::Pass };
        let outcome = match check_digest(&digest, body) {
            Ok(()) => {
                self.verified = Some(verified);
                Ok(())
            }
            Err(DigestFault::Mismatch) => Err(Reason::DigestMismatch),
            Err(DigestFault::Malformed | DigestFault::UnknownAlgorithm) => Err(Reason::DigestUnusable),
        };
        self.shared.judge(outcome, &challenge, scope)
    }

    fn request_without_message(&mut self, answer: Option<&CalloutOutcome>, scope: &mut Scope<'_>) -> Verdict {
        match answer {
            Some(ended) => self.answered(ended),
            None => self.use_nonce(scope),
        }
    }

    fn request(&mut self, _: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        // A signature is that of a whole request: the first message speaks for all of a batch, whatever kind it is.
        self.use_nonce(scope)
    }

    fn resumed(&mut self, _: &Call<'_>, ended: &CalloutOutcome, _: &mut Scope<'_>) -> Verdict {
        self.answered(ended)
    }
}

impl VerifyExchange {
    fn use_nonce(&mut self, scope: &Scope<'_>) -> Verdict {
        let Some(verified) = self.verified.take() else { return Verdict::Pass };
        let Some((nonces, once)) = self.shared.nonce(&verified) else { return Verdict::Pass };
        match nonces.accept_everywhere(&*scope.host, &once.scope, once.nonce, once.window) {
            Ok(Some(callout)) => Verdict::Ask(callout),
            used => self.shared.verdict(used.map(drop)),
        }
    }

    fn answered(&self, ended: &CalloutOutcome) -> Verdict {
        let used = self.shared.nonces.as_deref().map_or(Ok(()), |nonces| nonces.answered(ended));
        self.shared.verdict(used)
    }
}

const fn reason(failure: Failure) -> Reason {
    match failure {
        Failure::Missing => Reason::SignatureMissing,
        Failure::Malformed => Reason::SignatureMalformed,
        Failure::KeyUnknown => Reason::SignatureKeyUnknown,
        Failure::Algorithm => Reason::SignatureAlgorithm,
        Failure::Incomplete => Reason::SignatureIncomplete,
        Failure::Expired => Reason::SignatureExpired,
        Failure::Early => Reason::SignatureEarly,
        Failure::NonceMissing => Reason::SignatureWithoutNonce,
        Failure::Forged => Reason::SignatureForged,
    }
}

/// What a request like this one must be signed over: `Accept-Signature` (RFC 9421, section 5.1).
fn challenge(coverage: &Coverage, request: &Request<'_>, has_content: bool, tag: Option<&str>) -> String {
    let mut challenge = format!("meshward=({});created", coverage.identifiers(request, has_content));
    if let Some(tag) = tag {
        challenge.push_str(&format!(";tag=\"{tag}\""));
    }
    challenge
}
