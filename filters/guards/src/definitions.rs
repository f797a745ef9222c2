//! What the definitions of tools say, and what their names look like.

use std::borrow::Cow;
use std::collections::BTreeMap;

use meshward_wire::json::{self, Span, ValueKind};
use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::look::Look;
use crate::text;

/// The largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 256 << 10;
/// The most patterns, and the most reserved names.
const MAX_PATTERNS: usize = 64;
const MAX_RESERVED: usize = 4096;

/// The `definitions` section of the configuration: what tools may say of themselves.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DefinitionsConfig {
    /// What happens to a tool whose definition has characters that do not show: invisible ones, those that turn the direction
    /// of writing about, control characters.
    pub invisible: Remedy,
    /// What happens to a tool whose definition has text that a pattern matches.
    pub matches: Remedy,
    /// What happens to a tool whose name looks like another's.
    pub lookalikes: LookalikeRemedy,
    /// Patterns that no text of a definition may match.
    pub patterns: Vec<PatternConfig>,
    /// Names that no tool here may have, nor look like: those of other servers' tools.
    pub reserved: Vec<String>,
}

/// A pattern of text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PatternConfig {
    /// Its name, for whoever reads the configuration.
    pub name: String,
    /// A regular expression in the syntax of the crate `regex-lite`, matched in linear time.
    pub pattern: String,
}

/// What is done about a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The tool is dropped from lists, and its calls are refused.
    #[default]
    Refuse,
    /// What is wrong is taken out of descriptions and titles. Where it stands elsewhere, the tool is refused.
    Clean,
    /// It is counted and recorded, and passes.
    Observe,
    /// It is not looked at.
    Pass,
}

/// What is done about a name that looks like another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LookalikeRemedy {
    /// The tool is dropped from lists, and its calls are refused.
    #[default]
    Refuse,
    /// It is counted and recorded, and passes.
    Observe,
    /// It is not looked at.
    Pass,
}

/// What is wrong with a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Flaw {
    /// Its definition has characters that do not show.
    Invisible = 1,
    /// A pattern matches its definition.
    Matches = 2,
    /// Its name looks like another's.
    Lookalike = 4,
}

impl Flaw {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Invisible, Self::Matches, Self::Lookalike];
}

/// Some flaws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flaws(pub(crate) u8);

impl Flaws {
    pub(crate) const fn has(self, flaw: Flaw) -> bool {
        self.0 & flaw as u8 != 0
    }

    pub(crate) const fn add(&mut self, flaw: Flaw) {
        self.0 |= flaw as u8;
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Flaw> {
        Flaw::ALL.into_iter().filter(move |flaw| self.has(*flaw))
    }
}

/// The section, compiled.
#[derive(Debug, Clone)]
pub struct Definitions {
    invisible: Remedy,
    matches: Remedy,
    lookalikes: LookalikeRemedy,
    patterns: Vec<Regex>,
    /// Names that only the tools may have that are pinned to them, and names that none may have, by what they look like.
    names: BTreeMap<Look, Vec<Box<str>>>,
    reserved: Vec<Box<str>>,
}

/// What was found in a definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Inspection {
    /// What is wrong, and stays.
    pub(crate) flaws: Flaws,
    /// What is wrong, and goes with these edits: texts in place of strings.
    pub(crate) cured: Flaws,
    pub(crate) cleaned: Vec<(Span, String)>,
}

impl Definitions {
    /// Compiles a configuration; `pinned` are the names of the tools with a pin.
    ///
    /// # Errors
    /// All that is wrong with it: where in the section, and what.
    pub fn new<'n>(
        config: &'n DefinitionsConfig,
        pinned: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let mut patterns = Vec::new();
        for (index, PatternConfig { pattern, .. }) in config.patterns.iter().enumerate() {
            match RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build() {
                Ok(regex) if regex.is_match("") => {
                    errors.push((format!("patterns[{index}].pattern"), "it matches every text".to_owned()));
                }
                Ok(regex) => patterns.push(regex),
                Err(error) => errors.push((format!("patterns[{index}].pattern"), error.to_string())),
            }
        }
        for (field, count, most) in
            [("patterns", config.patterns.len(), MAX_PATTERNS), ("reserved", config.reserved.len(), MAX_RESERVED)]
        {
            if count > most {
                errors.push((field.to_owned(), format!("at most {most}")));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let reserved: Vec<Box<str>> = config.reserved.iter().map(|name| name.as_str().into()).collect();
        let mut names: BTreeMap<Look, Vec<Box<str>>> = BTreeMap::new();
        for name in pinned.into_iter().chain(config.reserved.iter().map(String::as_str)) {
            names.entry(Look::of(name)).or_default().push(name.into());
        }
        Ok(Self {
            invisible: config.invisible,
            matches: config.matches,
            lookalikes: config.lookalikes,
            patterns,
            names,
            reserved,
        })
    }

    /// What is done about a flaw; `Clean` only of one that a text has.
    pub(crate) const fn remedy(&self, flaw: Flaw) -> Remedy {
        match (flaw, self.lookalikes) {
            (Flaw::Invisible, _) => self.invisible,
            (Flaw::Matches, _) => self.matches,
            (Flaw::Lookalike, LookalikeRemedy::Refuse) => Remedy::Refuse,
            (Flaw::Lookalike, LookalikeRemedy::Observe) => Remedy::Observe,
            (Flaw::Lookalike, LookalikeRemedy::Pass) => Remedy::Pass,
        }
    }

    /// Whether anything is enforced.
    pub(crate) fn enforces(&self) -> bool {
        let acts = |flaw| matches!(self.remedy(flaw), Remedy::Refuse | Remedy::Clean);
        acts(Flaw::Invisible) || acts(Flaw::Lookalike) || !self.patterns.is_empty() && acts(Flaw::Matches)
    }

    /// Whether names are looked at.
    pub(crate) fn looks_at_names(&self) -> bool {
        self.lookalikes != LookalikeRemedy::Pass
    }

    /// Whether a name is, or looks like, one that the configuration keeps for another tool.
    pub(crate) fn is_taken(&self, name: &str, look: Look) -> bool {
        let others = self.names.get(&look).into_iter().flatten();
        others.clone().any(|other| **other != *name) || self.reserved.iter().any(|reserved| **reserved == *name)
    }

    /// Looks at every text of a definition, at any depth: an object in text that was read strictly.
    pub(crate) fn inspect(&self, text: &str, definition: Span) -> Inspection {
        let mut inspection = Inspection::default();
        let mut left = vec![(definition, false)];
        while let Some((value, is_prose)) = left.pop() {
            match json::kind(text, value) {
                Some(ValueKind::Object) => {
                    for member in json::members(text, value) {
                        let key = json::unescape(member.key.of(text));
                        self.look_at(&key, None, &mut inspection);
                        left.push((member.value, matches!(&*key, "description" | "title")));
                    }
                }
                Some(ValueKind::Array) => left.extend(json::elements(text, value).map(|element| (element, false))),
                Some(ValueKind::String) => {
                    let string = json::unescape(value.without_quotes().of(text));
                    self.look_at(&string, Some(value).filter(|_| is_prose), &mut inspection);
                }
                Some(ValueKind::Number | ValueKind::Bool | ValueKind::Null) | None => {}
            }
        }
        inspection
    }

    /// Looks at one text; it can be cleaned where it stands at a place of its own.
    fn look_at(&self, string: &str, place: Option<Span>, inspection: &mut Inspection) {
        let cleans = |remedy| remedy == Remedy::Clean && place.is_some();
        let matches = |text: &str| self.matches != Remedy::Pass && self.patterns.iter().any(|p| p.is_match(text));
        let mut clean = Cow::Borrowed(string);
        let (mut cured, mut stays) = (Flaws::default(), Flaws::default());
        if self.invisible != Remedy::Pass && text::has_invisible(string) {
            if cleans(self.invisible) {
                cured.add(Flaw::Invisible);
                clean = Cow::Owned(text::without_invisible(string));
            } else {
                stays.add(Flaw::Invisible);
            }
        }
        // What was taken out may have held a match apart; so may a match another.
        if matches(string) || matches(&clean) {
            if cleans(self.matches) {
                let without = |text: String, pattern: &Regex| pattern.replace_all(&text, "").into_owned();
                clean = Cow::Owned(self.patterns.iter().fold(clean.into_owned(), without));
            }
            if matches(&clean) || !cleans(self.matches) {
                stays.add(Flaw::Matches);
            } else {
                cured.add(Flaw::Matches);
            }
        }
        stays.iter().for_each(|flaw| inspection.flaws.add(flaw));
        cured.iter().for_each(|flaw| inspection.cured.add(flaw));
        if let (Some(place), Cow::Owned(clean)) = (place, clean) {
            inspection.cleaned.push((place, clean));
        }
    }
}

#[cfg(test)]
mod tests;
