//! Verifying: whether a request carries a signature that counts, and why not (RFC 9421, section 3.2).

use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};

use crate::base::{base, components};
use crate::component::Unusable;
use crate::coverage::Coverage;
use crate::key::VerifyingKey;
use crate::request::Request;

/// Keys by their names.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<(String, VerifyingKey)>);

impl Keys {
    /// Adds a key. Of two with one name the first counts.
    pub fn add(&mut self, id: String, key: VerifyingKey) {
        self.0.push((id, key));
    }

    /// The key of a name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }

    /// The names, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(id, _)| id.as_str())
    }
}

/// Whether a signature must have a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceDemand {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// What a signature must be to count.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// What it must cover.
    pub coverage: Coverage,
    /// Its `tag`. `None`: any, or none.
    pub tag: Option<String>,
    /// How long after `created` it counts, in seconds.
    pub max_age: u64,
    /// By how much clocks may differ, in seconds.
    pub clock_skew: u64,
    /// Its `nonce`.
    pub nonce: NonceDemand,
}

/// Why no signature counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is none, or none with the tag.
    #[error("there is no signature")]
    Missing,
    /// What there is cannot be read, is too much, or is of a kind that is not known here.
    #[error("the signature cannot be read")]
    Malformed,
    /// It names no key that is known.
    #[error("the key is not known")]
    KeyUnknown,
    /// It names another algorithm than its key's.
    #[error("the algorithm is not the key's")]
    Algorithm,
    /// It does not cover what it must.
    #[error("a component that must be covered is not")]
    Incomplete,
    /// It is too old.
    #[error("the signature is too old")]
    Expired,
    /// It is from the future.
    #[error("the signature is from the future")]
    Early,
    /// It has no nonce, and must.
    #[error("the signature has no nonce")]
    NonceMissing,
    /// It is not that key's over this request.
    #[error("the signature is not that of this request")]
    Forged,
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The name of its key.
    pub key_id: String,
    /// Its nonce.
    pub nonce: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Until when it counts, clocks that differ included.
    pub until: u64,
}

/// The longest value of either field, in bytes.
pub(crate) const MOST_FIELD_BYTES: usize = 8192;
/// The most signatures of a request: each costs a verification.
const MOST_SIGNATURES: usize = 4;
/// The longest name of a key, and the longest nonce.
const MOST_TEXT_BYTES: usize = 256;

impl Verifier {
    /// Finds a signature that counts. `now` in seconds since 1970; `has_content`: the request has a body, and the signature must
    /// cover its digest.
    ///
    /// # Errors
    /// Why the first signature does not count, if none does.
    pub fn verify(
        &self,
        request: &Request<'_>,
        keys: &[&Keys],
        now: u64,
        has_content: bool,
    ) -> Result<Verified, Failure> {
        let inputs = dictionary(request, "signature-input")?;
        let signatures = dictionary(request, "signature")?;
        if inputs.len() > MOST_SIGNATURES {
            return Err(Failure::Malformed);
        }
        let mut first = None;
        for (label, input) in &inputs {
            let ListEntry::InnerList(input) = input else { return Err(Failure::Malformed) };
            if self.tag.is_some() && text(input, "tag")? != self.tag.as_deref() {
                continue;
            }
            let signature = match signatures.get(label) {
                Some(ListEntry::Item(item)) => item.bare_item.as_byte_sequence().ok_or(Failure::Malformed)?,
                Some(ListEntry::InnerList(_)) => return Err(Failure::Malformed),
                None => return Err(Failure::Missing),
            };
            match self.verify_one(request, input, signature, keys, now, has_content) {
                Ok(verified) => return Ok(verified),
                Err(failure) => first = first.or(Some(failure)),
            }
        }
        Err(first.unwrap_or(Failure::Missing))
    }

    fn verify_one(
        &self,
        request: &Request<'_>,
        input: &InnerList,
        signature: &[u8],
        keys: &[&Keys],
        now: u64,
        has_content: bool,
    ) -> Result<Verified, Failure> {
        let key_id = text(input, "keyid")?.ok_or(Failure::KeyUnknown)?;
        let key = keys.iter().find_map(|keys| keys.get(key_id)).ok_or(Failure::KeyUnknown)?;
        if text(input, "alg")?.is_some_and(|alg| alg != key.algorithm().name()) {
            return Err(Failure::Algorithm);
        }
        let created = seconds(input, "created")?.ok_or(Failure::Malformed)?;
        let expires = seconds(input, "expires")?;
        let nonce = text(input, "nonce")?;
        if created > now.saturating_add(self.clock_skew) {
            return Err(Failure::Early);
        }
        let life = created.saturating_add(self.max_age);
        let until = expires.map_or(life, |expires| expires.min(life)).saturating_add(self.clock_skew);
        if until < now {
            return Err(Failure::Expired);
        }
        if nonce.is_none() && self.nonce == NonceDemand::Required {
            return Err(Failure::NonceMissing);
        }
        let components = components(input).map_err(|_| Failure::Malformed)?;
        if self.coverage.missing(&components, request, has_content).is_some() {
            return Err(Failure::Incomplete);
        }
        let base = base(request, input, &components).map_err(|unusable| match unusable {
            // Who signed had it.
            Unusable::Absent => Failure::Forged,
            Unusable::Unsupported | Unusable::Unwritable => Failure::Malformed,
        })?;
        if !key.verifies(base.as_bytes(), signature) {
            return Err(Failure::Forged);
        }
        Ok(Verified { key_id: key_id.to_owned(), nonce: nonce.map(str::to_owned), created, until })
    }
}

fn dictionary(request: &Request<'_>, field: &str) -> Result<Dictionary, Failure> {
    let value = request.combined(field).ok_or(Failure::Missing)?;
    if value.len() > MOST_FIELD_BYTES {
        return Err(Failure::Malformed);
    }
    Parser::new(&value).parse().map_err(|_| Failure::Malformed)
}

/// A parameter that is a text, if it is there.
fn text<'i>(input: &'i InnerList, name: &str) -> Result<Option<&'i str>, Failure> {
    match input.params.get(name) {
        None => Ok(None),
        Some(BareItem::String(text)) if text.as_str().len() <= MOST_TEXT_BYTES => Ok(Some(text.as_str())),
        Some(_) => Err(Failure::Malformed),
    }
}

/// A parameter that is a time, if it is there.
fn seconds(input: &InnerList, name: &str) -> Result<Option<u64>, Failure> {
    match input.params.get(name) {
        None => Ok(None),
        Some(BareItem::Integer(seconds)) => {
            u64::try_from(i64::from(*seconds)).map(Some).map_err(|_| Failure::Malformed)
        }
        Some(_) => Err(Failure::Malformed),
    }
}
