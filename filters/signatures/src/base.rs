//! The signature base: the text that is signed (RFC 9421, section 2.5).

use sfv::{FieldType as _, InnerList, ListEntry};

use crate::component::{Component, Unusable};
use crate::request::Request;

/// The most components of one signature.
pub(crate) const MOST_COMPONENTS: usize = 64;
/// The most of them for which a whole field or query is parsed, each anew: before the signature is known to be anybody's.
const MOST_PARSED: usize = 8;

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
    if components.iter().filter(|component| component.is_parsed()).count() > MOST_PARSED {
        return Err(Unusable::Unsupported);
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

#[cfg(test)]
mod tests {
    use sfv::{List, Parser};

    use super::*;

    fn read(identifiers: &[String]) -> Result<usize, Unusable> {
        let list: List = Parser::new(&format!("({})", identifiers.join(" "))).parse().unwrap();
        let [ListEntry::InnerList(input)] = list.as_slice() else { panic!("{list:?}") };
        components(input).map(|components| components.len())
    }

    #[test]
    fn what_is_parsed_before_a_signature_holds_is_bounded() {
        let identifiers = |count: usize, form: &dyn Fn(usize) -> String| (0..count).map(form).collect::<Vec<_>>();
        let plain = |number| format!("\"x-{number}\"");
        for parsed in
            [&|number| format!("\"x\";key=\"k{number}\""), &|number| format!("\"@query-param\";name=\"n{number}\"")]
                as [&dyn Fn(usize) -> String; 2]
        {
            assert_eq!(read(&identifiers(MOST_PARSED, parsed)), Ok(MOST_PARSED));
            assert_eq!(read(&identifiers(MOST_PARSED + 1, parsed)), Err(Unusable::Unsupported));
        }
        assert_eq!(read(&identifiers(MOST_COMPONENTS, &plain)), Ok(MOST_COMPONENTS));
        assert_eq!(read(&identifiers(MOST_COMPONENTS + 1, &plain)), Err(Unusable::Unsupported));
    }
}
