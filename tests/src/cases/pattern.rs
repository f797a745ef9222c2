//! Text of which some is not known before: `<trace:32>` stands for 32 hexadecimal digits in lower case, the same ones wherever
//! it is written for one exchange.

use std::collections::BTreeMap;

/// What names have come to stand for.
pub(super) type Bound = BTreeMap<String, String>;

/// Holds bytes against a pattern. Otherwise: at which byte they part.
pub(super) fn matches(pattern: &str, seen: &[u8], bound: &mut Bound) -> Result<(), usize> {
    let (mut rest, mut at) = (pattern, 0_usize);
    while !rest.is_empty() {
        let (literal, hole) = next_hole(rest);
        let text = seen.get(at..).unwrap_or_default();
        if !text.starts_with(literal.as_bytes()) {
            let same = text.iter().zip(literal.as_bytes()).take_while(|(a, b)| a == b).count();
            return Err(at.saturating_add(same));
        }
        at = at.saturating_add(literal.len());
        rest = match hole {
            None => "",
            Some(Hole { name, digits, behind }) => {
                let found = seen.get(at..).and_then(|text| text.get(..digits)).ok_or(at)?;
                let is_hex = found.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let found = std::str::from_utf8(found).ok().filter(|_| is_hex).ok_or(at)?;
                if bound.entry(name.to_owned()).or_insert_with(|| found.to_owned()) != found {
                    return Err(at);
                }
                at = at.saturating_add(digits);
                behind
            }
        };
    }
    if at == seen.len() { Ok(()) } else { Err(at) }
}

struct Hole<'p> {
    name: &'p str,
    digits: usize,
    behind: &'p str,
}

/// The text before the next hole, and the hole. A `<` that begins none is text.
fn next_hole(pattern: &str) -> (&str, Option<Hole<'_>>) {
    for (at, _) in pattern.match_indices('<') {
        let (literal, hole) = pattern.split_at_checked(at).unwrap_or((pattern, ""));
        let Some((inside, behind)) = hole.strip_prefix('<').and_then(|hole| hole.split_once('>')) else { continue };
        let Some((name, digits)) = inside.split_once(':') else { continue };
        if let Ok(digits) = digits.parse()
            && name.bytes().all(|b| b.is_ascii_lowercase())
        {
            return (literal, Some(Hole { name, digits, behind }));
        }
    }
    (pattern, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_the_same_digits_everywhere() {
        for (patterns, seen, parts) in [
            (&["a"][..], &["a"][..], Ok(())),
            (&["a"], &["ab"], Err(1)),
            (&["ab"], &["a"], Err(1)),
            (&["a<n:2>b"], &["a01b"], Ok(())),
            (&["a<n:2>b"], &["a0gb"], Err(1)),
            (&["a<n:2>b"], &["a0Ab"], Err(1)),
            (&["a<n:2>b"], &["a0"], Err(1)),
            (&["<n:2>-<n:2>"], &["01-01"], Ok(())),
            (&["<n:2>-<n:2>"], &["01-02"], Err(3)),
            (&["<n:2>-<m:2>"], &["01-02"], Ok(())),
            (&["<n:2>", "x<n:2>"], &["01", "x01"], Ok(())),
            (&["<n:2>", "x<n:2>"], &["01", "x02"], Err(1)),
            (&["<a> < b:2 <n:1>"], &["<a> < b:2 f"], Ok(())),
        ] {
            let mut bound = Bound::new();
            let mut last = Ok(());
            for (pattern, seen) in patterns.iter().zip(seen) {
                last = matches(pattern, seen.as_bytes(), &mut bound);
            }
            assert_eq!(last, parts, "{patterns:?} {seen:?}");
        }
    }
}
