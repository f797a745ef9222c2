//! Signing: what a request gets on its way out (RFC 9421, section 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, InnerList, Integer, Key, Parameters};

use crate::base::{MOST_COMPONENTS, base, parameters};
use crate::component::{Component, Form, Unusable};
use crate::coverage::Coverage;
use crate::key::SigningKey;
use crate::request::Request;
use crate::verify::MOST_FIELD_BYTES;

/// Who signs, and how.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The signature's name among several, as structured fields name members: lower case letters, digits, `_`, `-`, `.`, `*`.
    pub label: String,
    /// The name of the key.
    pub key_id: String,
    /// The key.
    pub key: SigningKey,
    /// What is covered.
    pub coverage: Coverage,
    /// The signature's `tag`.
    pub tag: Option<String>,
}

/// What is said of one signature besides who makes it.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// When it is made, in seconds since 1970.
    pub created: u64,
    /// When it ends, likewise.
    pub expires: Option<u64>,
    /// What nobody signs twice: visible ASCII.
    pub nonce: Option<&'a str>,
}

/// A signature as two header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The member of `Signature-Input`.
    pub input: String,
    /// The member of `Signature`.
    pub signature: String,
}

impl Signer {
    /// Signs a request. `has_content`: it has a body, and a `Content-Digest` among its fields.
    ///
    /// # Errors
    /// Something that must be covered cannot be.
    pub fn sign(&self, request: &Request<'_>, stamp: Stamp<'_>, has_content: bool) -> Result<Signed, Unusable> {
        let armoured = |component: Component| match component.value(request) {
            Ok(_) => Ok(component),
            // What is not visible ASCII is covered in base64.
            Err(Unusable::Unwritable) if let Component::Field { name, form: Form::Combined } = component => {
                Ok(Component::Field { name, form: Form::Binary })
            }
            Err(unusable) => Err(unusable),
        };
        let wanted = self.coverage.of(request, has_content).into_iter();
        let components = wanted.map(armoured).collect::<Result<Vec<_>, _>>()?;
        let items = components.iter().map(|component| component.item().ok_or(Unusable::Unsupported));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        // What nobody could read again, such as a name that is none, or more than is ever read.
        let is_readable =
            items.iter().zip(&components).all(|(item, component)| Component::read(item).as_ref() == Ok(component));
        if !is_readable || items.len() > MOST_COMPONENTS {
            return Err(Unusable::Unsupported);
        }
        let input = InnerList::with_params(items, self.parameters(stamp).ok_or(Unusable::Unsupported)?);
        let base = base(request, &input, &components)?;
        let signature = STANDARD.encode(self.key.sign(base.as_bytes()));
        let label = &self.label;
        let input =
            parameters(&input).filter(|input| input.len() < MOST_FIELD_BYTES / 2).ok_or(Unusable::Unwritable)?;
        Ok(Signed { input: format!("{label}={input}"), signature: format!("{label}=:{signature}:") })
    }

    fn parameters(&self, stamp: Stamp<'_>) -> Option<Parameters> {
        let text = |text: &str| sfv::String::from_string(text.to_owned()).ok().map(BareItem::String);
        let seconds = |seconds: u64| Integer::try_from(seconds).ok().map(BareItem::Integer);
        let all = [
            ("created", Some(seconds(stamp.created))),
            ("expires", stamp.expires.map(seconds)),
            ("nonce", stamp.nonce.map(text)),
            ("keyid", Some(text(&self.key_id))),
            ("alg", Some(text(self.key.algorithm().name()))),
            ("tag", self.tag.as_deref().map(text)),
        ];
        let mut parameters = Parameters::new();
        for (name, value) in all {
            if let Some(value) = value {
                parameters.insert(Key::from_string(name.to_owned()).ok()?, value?);
            }
        }
        Some(parameters)
    }
}
