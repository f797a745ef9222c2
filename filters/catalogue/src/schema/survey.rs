//! What a schema holds: its schemas, where they lead to, and which patterns are in them. Nothing recurses: schemas that
//! are met wait in a list.

use std::collections::BTreeMap;

use jsonschema::Draft;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Problem;
use super::patterns::Patterns;

/// Bound of the schemas within a schema.
const MAX_SCHEMAS: usize = 4096;
/// Bound of the letters of all pointers to them.
const MAX_POINTER_BYTES: usize = 4 << 20;

/// The place of the instance at which a schema within a schema is evaluated, next to the place of the outer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way<'a> {
    /// The same.
    Same,
    /// A member by its name.
    Member(&'a str),
    /// Members, whatever they are called.
    AnyMember,
    /// The names of members.
    Name,
    /// An item by its index.
    Item(usize),
    /// Items, wherever they are.
    AnyItem,
}

/// A schema within the schema.
#[derive(Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    /// JSON pointer (RFC 6901).
    pub(super) pointer: String,
    /// Other nodes that it evaluates, and where.
    pub(super) leads: Vec<(Way<'a>, usize)>,
    /// Its own values that an instance is held against.
    pub(super) values: u64,
    /// What its patterns take for a byte.
    pub(super) patterns: u64,
    /// It looks at all that is below a place.
    pub(super) unique: bool,
    /// It asks what the schemas for the same place have evaluated.
    pub(super) unevaluated: bool,
}

/// All schemas of a schema.
#[derive(Debug, Default)]
pub(super) struct Survey<'a> {
    /// The root is the first.
    pub(super) nodes: Vec<Node<'a>>,
    places: BTreeMap<*const Value, usize>,
    pointer_bytes: usize,
    anchors: BTreeMap<&'a str, usize>,
    /// The reference, the node that has it, and its keyword.
    references: Vec<(&'a str, usize, &'a str)>,
    patterns: Patterns<'a>,
    /// Nodes whose `pattern` cannot be matched.
    unmatched: Vec<usize>,
    /// Nodes that make a value fit less if they themselves fit more.
    delicate: Vec<usize>,
}

/// How a keyword holds schemas.
enum Holds {
    /// One.
    One,
    /// An array of them; some drafts have one in its place.
    List,
    /// An object of them, by names.
    Map,
}

/// How a keyword of any draft holds schemas, and where they are evaluated; `None`: only where they are referred to.
fn applicator(keyword: &str) -> Option<(Holds, Option<Way<'_>>)> {
    Some(match keyword {
        "allOf" | "anyOf" | "oneOf" => (Holds::List, Some(Way::Same)),
        "not" | "if" | "then" | "else" => (Holds::One, Some(Way::Same)),
        "dependentSchemas" | "dependencies" => (Holds::Map, Some(Way::Same)),
        // By the name, which takes the place of this one.
        "properties" => (Holds::Map, Some(Way::Member(""))),
        "patternProperties" => (Holds::Map, Some(Way::AnyMember)),
        "additionalProperties" | "unevaluatedProperties" => (Holds::One, Some(Way::AnyMember)),
        "propertyNames" => (Holds::One, Some(Way::Name)),
        // By the index, where it is an array.
        "items" | "prefixItems" => (Holds::List, Some(Way::Item(0))),
        "additionalItems" | "unevaluatedItems" | "contains" => (Holds::One, Some(Way::AnyItem)),
        "$defs" | "definitions" => (Holds::Map, None),
        _ => return None,
    })
}

/// The draft that a schema says it is of.
pub(super) fn draft(schema: &Value) -> Result<Draft, Problem> {
    let Some(uri) = schema.get("$schema") else { return Ok(Draft::Draft202012) };
    let uri = uri.as_str().unwrap_or_default();
    let uri = uri.strip_suffix('#').unwrap_or(uri);
    match uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")) {
        Some("json-schema.org/draft/2020-12/schema") => Ok(Draft::Draft202012),
        Some("json-schema.org/draft/2019-09/schema") => Ok(Draft::Draft201909),
        Some("json-schema.org/draft-07/schema") => Ok(Draft::Draft7),
        Some("json-schema.org/draft-06/schema") => Ok(Draft::Draft6),
        _ => Err(Problem { pointer: "/$schema".to_owned(), what: "this dialect of JSON Schema is not known" }),
    }
}

impl<'a> Survey<'a> {
    /// Looks through a schema, and through all that it refers to.
    ///
    /// # Errors
    /// A reference that leads nowhere or out of the schema, or a bound.
    pub(super) fn of(root: &'a Value) -> Result<Self, Problem> {
        let mut survey = Self::default();
        if !matches!(root, Value::Object(_) | Value::Bool(_)) {
            return Err(Problem { pointer: String::new(), what: "a schema is an object or a boolean" });
        }
        survey.add(root, String::new())?;
        let (mut read, mut resolved) = (0, 0);
        loop {
            if let Some(node) = survey.nodes.get(read) {
                let value = node.value;
                survey.read(read, value)?;
                read = read.saturating_add(1);
            } else if let Some(&(reference, node, keyword)) = survey.references.get(resolved) {
                // All that can be referred to by an anchor has been read by now.
                let target = survey.resolve(root, reference, node, keyword)?;
                survey.lead(node, Way::Same, target);
                resolved = resolved.saturating_add(1);
            } else {
                return Ok(survey);
            }
        }
    }

    /// JSON pointers to the patterns that cannot be matched. Without them more values fit.
    ///
    /// # Errors
    /// With one of them left out, a value that does not fit could pass for one that does, or the other way round.
    pub(super) fn unmatched(&self) -> Result<Vec<String>, Problem> {
        let mut delicate = vec![false; self.nodes.len()];
        let mut open = self.delicate.clone();
        while let Some(index) = open.pop() {
            let (Some(node), Some(known)) = (self.nodes.get(index), delicate.get_mut(index)) else { continue };
            if !std::mem::replace(known, true) {
                open.extend(node.leads.iter().map(|(_, target)| *target));
            }
        }
        let pointer = |index: &usize| {
            let pointer = format!("{}/pattern", self.nodes.get(*index).map_or("", |node| &node.pointer));
            if delicate.get(*index) == Some(&true) { Err(unsupported(pointer)) } else { Ok(pointer) }
        };
        self.unmatched.iter().map(pointer).collect()
    }

    /// A bound of the memory of the patterns.
    pub(super) const fn pattern_bytes(&self) -> usize {
        self.patterns.bytes()
    }

    fn add(&mut self, value: &'a Value, pointer: String) -> Result<usize, Problem> {
        let place = std::ptr::from_ref(value);
        if let Some(known) = self.places.get(&place) {
            return Ok(*known);
        }
        let index = self.nodes.len();
        self.pointer_bytes = self.pointer_bytes.saturating_add(pointer.len());
        if index >= MAX_SCHEMAS || self.pointer_bytes > MAX_POINTER_BYTES {
            return Err(Problem { pointer, what: "it holds too many schemas" });
        }
        self.places.insert(place, index);
        self.nodes.push(Node {
            value,
            pointer,
            leads: Vec::new(),
            values: 1,
            patterns: 0,
            unique: false,
            unevaluated: false,
        });
        Ok(index)
    }

    fn lead(&mut self, from: usize, way: Way<'a>, to: usize) {
        if let Some(node) = self.nodes.get_mut(from) {
            node.leads.push((way, to));
        }
    }

    fn read(&mut self, index: usize, value: &'a Value) -> Result<(), Problem> {
        let Value::Object(keywords) = value else { return Ok(()) };
        let pointer = self.nodes.get(index).map(|node| node.pointer.clone()).unwrap_or_default();
        let at = |keyword: &str| format!("{pointer}/{}", escaped(keyword));
        for (keyword, inside) in keywords {
            let (mut values, mut patterns) = (1_u64, 0_u64);
            match (keyword.as_str(), inside) {
                ("$id" | "$schema", _) if index > 0 => {
                    return Err(Problem { pointer: at(keyword), what: "a schema of its own within the schema" });
                }
                ("$anchor" | "$dynamicAnchor", Value::String(anchor)) => {
                    let other = self.anchors.insert(anchor, index);
                    if other.is_some_and(|other| other != index) {
                        return Err(Problem { pointer: at(keyword), what: "another anchor has this name" });
                    }
                }
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    self.references.push((reference, index, keyword));
                }
                ("pattern", Value::String(pattern)) => match self.patterns.cost(pattern) {
                    Some(cost) => patterns = cost,
                    None => self.unmatched.push(index),
                },
                ("patternProperties", Value::Object(members)) => {
                    for pattern in members.keys() {
                        let cost = self.patterns.cost(pattern);
                        let cost = cost.ok_or_else(|| unsupported(format!("{}/{}", at(keyword), escaped(pattern))))?;
                        patterns = patterns.saturating_add(cost);
                    }
                }
                ("enum" | "const" | "required" | "dependentRequired" | "dependencies" | "type", inside) => {
                    values = count(inside);
                }
                _ => {}
            }
            if let Some(node) = self.nodes.get_mut(index) {
                node.values = node.values.saturating_add(values);
                node.patterns = node.patterns.saturating_add(patterns);
                node.unique |= keyword == "uniqueItems";
                node.unevaluated |= matches!(keyword.as_str(), "unevaluatedProperties" | "unevaluatedItems");
            }
            let counts = keyword == "contains" && keywords.contains_key("maxContains");
            let delicate = counts || matches!(keyword.as_str(), "not" | "if" | "oneOf");
            let inner = self.inside(index, keyword, inside, &at(keyword))?;
            if delicate {
                self.delicate.extend(inner);
            }
        }
        Ok(())
    }

    /// The schemas that a keyword holds. What has another shape is no schema, as the library will say.
    fn inside(
        &mut self,
        index: usize,
        keyword: &'a str,
        value: &'a Value,
        pointer: &str,
    ) -> Result<Vec<usize>, Problem> {
        let Some((holds, way)) = applicator(keyword) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        match (holds, value) {
            (Holds::List, Value::Array(items)) => {
                for (place, item) in items.iter().enumerate() {
                    let way = way.map(|way| if matches!(way, Way::Item(_)) { Way::Item(place) } else { way });
                    found.push((way, item, format!("{pointer}/{place}")));
                }
            }
            (Holds::Map, Value::Object(members)) => {
                for (name, member) in members {
                    let way = way.map(|way| if matches!(way, Way::Member(_)) { Way::Member(name) } else { way });
                    found.push((way, member, format!("{pointer}/{}", escaped(name))));
                }
            }
            (Holds::One | Holds::List, value) => {
                let way = way.map(|way| if matches!(way, Way::Item(_)) { Way::AnyItem } else { way });
                found.push((way, value, pointer.to_owned()));
            }
            (Holds::Map, _) => {}
        }
        let mut inner = Vec::new();
        for (way, value, pointer) in found {
            if matches!(value, Value::Object(_) | Value::Bool(_)) {
                let target = self.add(value, pointer)?;
                inner.push(target);
                if let Some(way) = way {
                    self.lead(index, way, target);
                }
            }
        }
        Ok(inner)
    }

    /// The schema that a reference names.
    fn resolve(&mut self, root: &'a Value, reference: &str, node: usize, keyword: &str) -> Result<usize, Problem> {
        let holder = self.nodes.get(node).map_or("", |node| &node.pointer);
        let problem = |what| Problem { pointer: format!("{holder}/{keyword}"), what };
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(problem("a reference leads out of the schema, and nothing is fetched"));
        };
        let nowhere = problem("a reference leads nowhere");
        let Ok(fragment) = percent_decode_str(fragment).decode_utf8() else { return Err(nowhere) };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchors.get(&*fragment).copied().ok_or(nowhere);
        }
        match root.pointer(&fragment) {
            Some(target @ (Value::Object(_) | Value::Bool(_))) => self.add(target, fragment.into_owned()),
            _ => Err(nowhere),
        }
    }
}

fn unsupported(pointer: String) -> Problem {
    Problem { pointer, what: "a pattern that cannot be matched in linear time" }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// How many values there are in a value. Recurses as deep as the reader has let it be.
fn count(value: &Value) -> u64 {
    let inside = |values: &mut dyn Iterator<Item = &Value>| values.map(count).fold(1, u64::saturating_add);
    match value {
        Value::Array(items) => inside(&mut items.iter()),
        Value::Object(members) => inside(&mut members.values()),
        _ => 1,
    }
}
