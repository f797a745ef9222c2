//! Where references lead: everything a `$ref` may name in its own document.

use std::collections::BTreeMap;

use meshward_wire::json::ValueKind;

use super::compile::Problem;
use super::dialect::{Dialect, Holds};
use super::document::Value;

/// What references of a document can name.
#[derive(Debug)]
pub(super) struct References<'a> {
    root: Value<'a>,
    /// The root's `$id`, without fragment.
    id: Option<String>,
    /// Places by anchor.
    anchors: BTreeMap<String, Value<'a>>,
}

impl<'a> References<'a> {
    /// Looks through all schemas of a document.
    pub(super) fn survey(root: Value<'a>, dialect: Dialect) -> Result<Self, Problem> {
        let mut found = Self { root, id: None, anchors: BTreeMap::new() };
        let mut open = vec![root];
        while let Some(schema) = open.pop() {
            if schema.kind() != ValueKind::Object {
                continue;
            }
            let alone = dialect.ref_stands_alone() && schema.get("$ref").is_some();
            for keyword in schema.children() {
                let key = keyword.key();
                match &*key {
                    "$id" if !alone => found.id(schema, keyword, dialect)?,
                    "$schema" if schema.at() != root.at() => {
                        let same = keyword.as_str().and_then(|uri| Dialect::of(&uri)) == Some(dialect);
                        if !same {
                            return Err(Problem::new(keyword, "another dialect within the schema"));
                        }
                    }
                    "$anchor" if dialect >= Dialect::Draft2019 => found.anchor(schema, keyword)?,
                    "$dynamicAnchor" if dialect == Dialect::Draft2020 => found.anchor(schema, keyword)?,
                    _ => match dialect.holds(&key) {
                        // What is wrong with them is found when they are compiled, if they ever are.
                        Some(Holds::One) => open.push(keyword),
                        Some(_) => {
                            if dialect.holds(&key) == Some(Holds::OneOrList) {
                                open.push(keyword);
                            }
                            open.extend(keyword.children());
                        }
                        None => {}
                    },
                }
            }
        }
        Ok(found)
    }

    fn id(&mut self, schema: Value<'a>, keyword: Value<'a>, dialect: Dialect) -> Result<(), Problem> {
        let id = keyword.as_str().ok_or(Problem::new(keyword, "`$id` is a string"))?;
        match id.strip_prefix('#') {
            // An anchor of the drafts that had no keyword for it.
            Some(anchor) if dialect <= Dialect::Draft7 => {
                self.anchors.insert(anchor.to_owned(), schema);
            }
            _ if schema.at() == self.root.at() => {
                self.id = Some(id.split('#').next().unwrap_or_default().to_owned());
            }
            _ => return Err(Problem::new(keyword, "schemas with an `$id` of their own are not supported")),
        }
        Ok(())
    }

    fn anchor(&mut self, schema: Value<'a>, keyword: Value<'a>) -> Result<(), Problem> {
        let anchor = keyword.as_str().ok_or(Problem::new(keyword, "an anchor is a string"))?;
        self.anchors.insert(anchor.into_owned(), schema);
        Ok(())
    }

    /// The schema that a reference names.
    pub(super) fn resolve(&self, reference: Value<'a>) -> Result<Value<'a>, Problem> {
        let uri = reference.as_str().ok_or(Problem::new(reference, "a reference is a string"))?;
        let (document, fragment) = uri.split_once('#').unwrap_or((&uri, ""));
        if !document.is_empty() && self.id.as_deref() != Some(document) {
            return Err(Problem::new(reference, "a reference leads out of the schema, and nothing is fetched"));
        }
        let dangling = Problem::new(reference, "a reference leads nowhere");
        let fragment = decode(fragment).ok_or(dangling)?;
        let Some(pointer) = fragment.strip_prefix('/') else {
            return if fragment.is_empty() {
                Ok(self.root)
            } else {
                self.anchors.get(&fragment).copied().ok_or(dangling)
            };
        };
        pointer.split('/').try_fold(self.root, child).ok_or(dangling)
    }
}

/// One step of a JSON pointer (RFC 6901).
fn child<'a>(value: Value<'a>, token: &str) -> Option<Value<'a>> {
    match value.kind() {
        ValueKind::Array => {
            let canonical = token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
            if canonical { value.children().nth(token.parse().ok()?) } else { None }
        }
        _ => value.get(&token.replace("~1", "/").replace("~0", "~")),
    }
}

/// Percent-decoding (RFC 3986, section 2.1).
fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let valid = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(if valid { u8::from_str_radix(digits, 16).ok()? } else { return None });
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
