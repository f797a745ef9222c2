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

    /// What every name it matches begins with.
    #[must_use]
    pub const fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// What every name it matches ends with, when it has a `*`; otherwise nothing.
    #[must_use]
    pub fn suffix(&self) -> &[u8] {
        self.rest.as_ref().map_or(&[], |rest| &rest.suffix)
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

    /// What a URI template (RFC 6570) can expand to, and more: each of its expressions stands for any characters.
    #[must_use]
    pub fn of_template(template: &str) -> Self {
        Self::new(&without_expressions(template, "*"))
    }

    /// Whether some name matches both.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (Some(rest), Some(other_rest)) = (&self.rest, &other.rest) else {
            // One is a single name.
            let single =
                |a: &Self, b: &Self| a.rest.is_none() && std::str::from_utf8(&a.prefix).is_ok_and(|a| b.matches(a));
            return single(self, other) || single(other, self);
        };
        // Behind the longer beginning and before the longer end, each takes what the other needs for its `*`.
        let agree = |a: &mut dyn Iterator<Item = &u8>, b: &mut dyn Iterator<Item = &u8>| a.zip(b).all(|(a, b)| a == b);
        agree(&mut self.prefix.iter(), &mut other.prefix.iter())
            && agree(&mut rest.suffix.iter().rev(), &mut other_rest.suffix.iter().rev())
    }

    /// Whether it surely matches everything a URI template can expand to.
    #[must_use]
    pub fn matches_all_of(&self, template: &str) -> bool {
        // No name has a NUL, so only a `*` can match an expression.
        self.matches(&without_expressions(template, "\0"))
    }
}

/// A template with something else in the place of its expressions.
fn without_expressions(template: &str, stand_in: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((literal, (_, behind))) =
        rest.split_once('{').and_then(|(literal, open)| Some((literal, open.split_once('}')?)))
    {
        out.push_str(literal);
        out.push_str(stand_in);
        rest = behind;
    }
    out.push_str(rest);
    out
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

    #[test]
    fn templates_stand_for_their_expansions() {
        for (pattern, template, some, all) in [
            ("file:///docs/*", "file:///docs/{path}", true, true),
            ("file:///docs/*", "file:///{path}", true, false),
            ("file:///docs/*", "file:///doc/{path}", false, false),
            ("file:///docs/readme", "file:///docs/{path}", true, false),
            ("file:///docs/{path}", "file:///docs/{path}", true, false),
            ("*path*", "file:///{path}", true, false),
            ("*.md", "file:///{path}.txt", false, false),
            ("*.md", "file:///{+path}.md", true, true),
            ("a", "a", true, true),
            ("a", "b", false, false),
            ("a*", "a{unclosed", true, true),
            ("*", "{x}", true, true),
        ] {
            let glob = Glob::new(pattern);
            assert_eq!(glob.intersects(&Glob::of_template(template)), some, "{pattern} {template}");
            assert_eq!(glob.matches_all_of(template), all, "{pattern} {template}");
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

        #[test]
        fn what_matches_both_shows_that_they_intersect(a in "[ab*]{0,6}", b in "[ab*]{0,6}") {
            let (a, b) = (Glob::new(&a), Glob::new(&b));
            // No shortest common name is longer than both patterns together.
            let mut names = vec![String::new()];
            for length in 0..8_usize {
                let longest: Vec<_> = names.iter().filter(|name| name.len() == length).cloned().collect();
                names.extend(longest.iter().flat_map(|name| [format!("{name}a"), format!("{name}b")]));
            }
            let both = names.iter().any(|name| a.matches(name) && b.matches(name));
            prop_assert!(!both || a.intersects(&b));
            let single = a.rest.is_none() || b.rest.is_none();
            prop_assert!(both || !a.intersects(&b) || !single, "{a:?} {b:?}");
        }
    }
}
