//! The signature base: the text that is signed (RFC 9421, section 2.5).

use sfv::{FieldType as _, InnerList, ListEntry};

use crate::component::{Component, Unusable};
use crate::request::Request;

/// The most components of one signature.
pub(crate) const MOST_COMPONENTS: usize = 64;

/// What a signature covers, of which it says so.
pub(crate) fn components(input: &InnerList) -> Result<Vec<Component>, Unusable> {
    if input.items.len() > MOST_COMPONENTS {
        return Err(Unusable::Unsupported);
    }
    let mut components: Vec<Component> = Vec::with_capacity(input.items.len());
    for item in &input.items {
        let component = Component::read(item)?;
        // Section 2: each is there once.
        if components.contains(&component) {
            return Err(Unusable::Unsupported);
        }
        components.push(component);
    }
    Ok(components)
}

/// The signature's own line, as it stands in `Signature-Input`.
pub(crate) fn parameters(input: &InnerList) -> Option<String> {
    vec![ListEntry::InnerList(input.clone())].serialize()
}

/// The base of a signature with these components, which are those of `input`.
pub(crate) fn base(request: &Request<'_>, input: &InnerList, components: &[Component]) -> Result<String, Unusable> {
    let mut base = String::with_capacity(512);
    for (item, component) in input.items.iter().zip(components) {
        base.push_str(&item.serialize());
        base.push_str(": ");
        base.push_str(&component.value(request)?);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&parameters(input).ok_or(Unusable::Unwritable)?);
    Ok(base)
}
