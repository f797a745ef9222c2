//! `baggage` (W3C Baggage, section 3.3): what an application gives to all who come after.

use std::borrow::Cow;

use meshward_engine::Glob;

#[cfg(test)]
mod tests;

/// What may go on.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// By their keys.
    pub(crate) keys: Vec<Glob>,
    pub(crate) max_members: usize,
    pub(crate) max_bytes: usize,
}

impl Allowance {
    /// What of a list may go on: the same text where all of it may, an empty one where nothing may. `None`: it is malformed.
    ///
    /// The members that are too many, or for which there is no room, are the last ones; none goes on in part.
    pub(crate) fn filter<'l>(&self, list: &'l str) -> Option<Cow<'l, str>> {
        let (mut kept, mut length, mut all) = (Vec::new(), 0_usize, true);
        for member in list.split(',').map(trimmed) {
            let key = key_of(member)?;
            let longer = length.saturating_add(member.len()).saturating_add(usize::from(length > 0));
            if self.keys.iter().any(|glob| glob.matches(key))
                && kept.len() < self.max_members
                && longer <= self.max_bytes
            {
                kept.push(member);
                length = longer;
            } else {
                all = false;
            }
        }
        if all && list.len() <= self.max_bytes {
            return Some(Cow::Borrowed(list));
        }
        Some(Cow::Owned(kept.join(",")))
    }
}

/// The key of a member. `None`: it is malformed.
fn key_of(member: &str) -> Option<&str> {
    let mut parts = member.split(';');
    let (key, value) = pair(parts.next()?)?;
    for property in parts.map(trimmed) {
        let (key, value) = pair(property).unwrap_or((property, ""));
        if !is_token(key) || !is_value(value) {
            return None;
        }
    }
    (is_token(key) && is_value(value)).then_some(key)
}

fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').map(|(key, value)| (trimmed(key), trimmed(value)))
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `baggage-octet`: printable, without white space, `"`, `,`, `;` and `\`.
fn is_value(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~'))
}
