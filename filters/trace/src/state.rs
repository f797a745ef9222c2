//! `tracestate` (W3C Trace Context level 2, section 3.3): vendors' own positions in a trace.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// The most members.
const MOST_MEMBERS: usize = 32;
/// The longest key and the longest value, in characters.
const LONGEST_PART: usize = 256;
/// How many characters go from one place to the other: what the specification asks for at least.
const CARRIED: usize = 512;
/// Members longer than this are the first to be left behind where there is no room for all.
const LARGE: usize = 128;

/// Whether a list reads: at most 32 members, each with a key and a value. Members may be empty, a list may not.
pub(crate) fn is_valid(list: &str) -> bool {
    let mut members = 0_usize;
    for member in members_of(list) {
        members = members.saturating_add(1);
        let Some((key, value)) = member.split_once('=') else { return false };
        if members > MOST_MEMBERS || !is_key(key) || !is_value(value) {
            return false;
        }
    }
    members > 0
}

/// A valid list as it goes to another place: a key once, and no more than 512 characters. Large members are left behind
/// first, then the last ones.
pub(crate) fn carried(list: &str) -> Cow<'_, str> {
    let key = |member: &str| member.split_once('=').map_or(0, |(key, _)| key.len());
    let mut kept: Vec<&str> = Vec::new();
    for member in members_of(list) {
        let name = member.get(..key(member));
        if !kept.iter().any(|earlier| earlier.get(..key(earlier)) == name) {
            kept.push(member);
        }
    }
    if list.len() <= CARRIED && kept.len() == list.split(',').count() {
        return Cow::Borrowed(list);
    }
    let length = |kept: &[&str]| {
        let members: usize = kept.iter().map(|member| member.len()).sum();
        members.saturating_add(kept.len()).saturating_sub(1)
    };
    if length(&kept) > CARRIED {
        kept.retain(|member| member.len() <= LARGE);
    }
    while length(&kept) > CARRIED {
        kept.pop();
    }
    Cow::Owned(kept.join(","))
}

/// The members that are not empty, without the white space around them. That at the end of a value is not its own; a space
/// before it is, but there is always a key before it.
fn members_of(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
}

fn is_key(key: &str) -> bool {
    let begins = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let goes_on = |b: &u8| begins(b) || matches!(b, b'_' | b'-' | b'*' | b'/' | b'@');
    key.as_bytes().first().is_some_and(begins) && key.bytes().all(|b| goes_on(&b)) && key.len() <= LONGEST_PART
}

fn is_value(value: &str) -> bool {
    let plain = value.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'='));
    plain && !value.is_empty() && value.len() <= LONGEST_PART
}
