//! Name patterns: letters stand for themselves, `*` for any run of characters.

/// A compiled pattern. Matching takes time linear in the name (pattern parts are found left to right, each by a
/// linear-time search; leftmost is always right when `*` is the only wildcard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    prefix: Box<[u8]>,
    /// What must follow somewhere, in order; `None`: no `*`, the prefix is the whole name.
    rest: Option<Rest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    middle: Vec<Box<[u8]>>,
    suffix: Box<[u8]>,
}

impl Glob {
    /// Compiles a pattern. Every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let mut parts = pattern.as_bytes().split(|b| *b == b'*').map(Box::from);
        let prefix = parts.next().unwrap_or_default();
        let mut middle: Vec<Box<[u8]>> = parts.collect();
        let rest = middle.pop().map(|suffix| {
            middle.retain(|part| !part.is_empty());
            Rest { middle, suffix }
        });
        Self { prefix, rest }
    }

    /// The one name it matches, when it has no `*`.
    #[must_use]
    pub fn literal(&self) -> Option<&[u8]> {
        if self.rest.is_none() { Some(&self.prefix) } else { None }
    }

    /// Whether it matches the whole name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some(tail) = name.as_bytes().strip_prefix(&*self.prefix) else { return false };
        let Some(rest) = &self.rest else { return tail.is_empty() };
        let Some(mut tail) = tail.strip_suffix(&*rest.suffix) else { return false };
        for part in &rest.middle {
            let Some(found) = memchr::memmem::find(tail, part) else { return false };
            tail = tail.get(found.saturating_add(part.len())..).unwrap_or_default();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, matches) in [
            ("get", "get", true),
            ("get", "get_x", false),
            ("get", "Get", false),
            ("get_*", "get_", true),
            ("get_*", "get_x", true),
            ("get_*", "xget_x", false),
            ("*_repo", "delete_repo", true),
            ("*_repo", "delete_repo2", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a**c", "abc", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("file:///public/*", "file:///public/a/b", true),
            ("*é*", "café au lait", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    /// The definition, letter by letter: exponential, and plainly right.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                by_definition(rest, name) || (!name.is_empty() && by_definition(pattern, &name[1..]))
            }
            ([p, pattern @ ..], [n, name @ ..]) => p == n && by_definition(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let p: Vec<char> = pattern.chars().collect();
            let n: Vec<char> = name.chars().collect();
            prop_assert_eq!(Glob::new(&pattern).matches(&name), by_definition(&p, &n));
        }
    }
}
