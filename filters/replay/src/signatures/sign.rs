//! The stage: what goes on is signed, as it goes on.

use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meshward_engine::{
    Call, HeadVerdict, HeaderDemand, HeaderEdit, Headers, Level, Scope, Stage, StageExchange, Verdict,
};
use meshward_signatures::{Request, Signer, Stamp, check_digest, content_digest};

use super::config::{SignConfig, coverage};
use super::keys::resolve_signing;
use crate::key::Environment;
use crate::stages::ReplayError;

const SECOND: u64 = 1_000_000_000;
const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const DIGEST: &str = "content-digest";
/// The bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// Signs what goes on.
pub(crate) struct SignStage {
    shared: Rc<Shared>,
}

struct Shared {
    signer: Signer,
    /// How long a signature counts, in seconds.
    life: u64,
}

impl fmt::Debug for SignStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignStage").field("signer", &self.shared.signer).finish_non_exhaustive()
    }
}

impl SignStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub(crate) fn new(config: &SignConfig, environment: Environment<'_>) -> Result<Self, ReplayError> {
        let key = resolve_signing(&config.key, environment);
        let signer = Signer {
            label: config.label.clone(),
            key_id: config.key.id.clone(),
            key: key.map_err(|message| ReplayError { path: "signatures.sign.key".to_owned(), message })?,
            coverage: coverage(&config.covers),
            tag: config.tag.clone(),
        };
        Ok(Self { shared: Rc::new(Shared { signer, life: config.expires.0.as_secs() }) })
    }
}

impl Stage for SignStage {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn sees_bodies(&self) -> bool {
        true
    }

    fn headers(&self) -> HeaderDemand {
        let covered = self.shared.signer.coverage.fields().chain([INPUT, SIGNATURE]);
        HeaderDemand::Named(covered.map(str::to_owned).collect())
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(SignExchange { shared: Rc::clone(&self.shared), method: Vec::new(), scheme: Vec::new() })
    }
}

/// The stage's part in one exchange.
struct SignExchange {
    shared: Rc<Shared>,
    method: Vec<u8>,
    scheme: Vec<u8>,
}

impl StageExchange for SignExchange {
    fn request_head(&mut self, head: Headers<'_>, _: &mut Scope<'_>) -> HeadVerdict {
        self.method = head.first(":method").unwrap_or_default().to_vec();
        self.scheme = head.first(":scheme").unwrap_or_default().to_vec();
        HeadVerdict::Pass
    }

    fn request(&mut self, _: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        Verdict::Pass
    }

    fn request_leaves(&mut self, body: &[u8], scope: &mut Scope<'_>) {
        if let Err(why) = self.sign(body, scope) {
            scope.log(Level::Warn, format!("replay could not sign a request: {why}"));
        }
    }
}

impl SignExchange {
    fn sign(&self, body: &[u8], scope: &mut Scope<'_>) -> Result<(), String> {
        if !scope.can_edit_request_head() {
            return Err("its head has gone already".to_owned());
        }
        let mut chance = [0; NONCE_BYTES];
        if !scope.host.random(&mut chance) {
            return Err("the host has no random bytes for its nonce".to_owned());
        }
        let nonce = URL_SAFE_NO_PAD.encode(chance);
        let created = scope.host.now() / SECOND;
        let stamp = Stamp { created, expires: Some(created.saturating_add(self.shared.life)), nonce: Some(&nonce) };
        let has_content = !body.is_empty();
        let mut lines: Vec<(&[u8], &[u8])> = vec![(b":method", &self.method), (b":scheme", &self.scheme)];
        lines.extend(scope.headers.iter());
        let kept = Request::new(&lines).combined(DIGEST);
        // The client's own digest stays where it fits: a signature of its own may cover it.
        let digest = match kept {
            Some(digest) if check_digest(&digest, body).is_ok() => None,
            _ => has_content.then(|| content_digest(body)),
        };
        if let Some(digest) = &digest {
            lines.retain(|(name, _)| !name.eq_ignore_ascii_case(DIGEST.as_bytes()));
            lines.push((DIGEST.as_bytes(), digest.as_bytes()));
        }
        let request = Request::new(&lines);
        let signed = self.shared.signer.sign(&request, stamp, has_content).map_err(|why| why.to_string())?;
        // Behind what the client signed itself: of two members with one name the last counts.
        let behind = |field: &str, member: String| match request.combined(field) {
            Some(mut members) => {
                members.extend_from_slice(b", ");
                members.extend_from_slice(member.as_bytes());
                members
            }
            None => member.into_bytes(),
        };
        let (input, signature) = (behind(INPUT, signed.input), behind(SIGNATURE, signed.signature));
        if let Some(digest) = digest {
            scope.edit_request_head(HeaderEdit::Set(DIGEST, digest.into_bytes()));
        }
        scope.edit_request_head(HeaderEdit::Set(INPUT, input));
        scope.edit_request_head(HeaderEdit::Set(SIGNATURE, signature));
        Ok(())
    }
}
