//! The names that are values of labels: those of the configuration, and those that a server has listed.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::label::Value;

/// Names by kind, each with a number. What a client sends never comes in.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    texts: Vec<Rc<str>>,
    kinds: [BTreeMap<Rc<str>, u32>; 4],
    learned: usize,
}

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    Tool,
    Prompt,
    Rule,
    Endpoint,
}

impl Vocabulary {
    /// A name of the configuration.
    pub(crate) fn add(&mut self, kind: NameKind, name: &str) -> Value {
        if let Some(known) = self.find(kind, name) {
            return known;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Rc<str> = name.into();
        self.texts.push(Rc::clone(&text));
        if let Some(names) = self.kinds.get_mut(kind as usize) {
            names.insert(text, number);
        }
        Value::Name(number)
    }

    /// A name that a server has listed. `None`: there are `most` of them already.
    pub(crate) fn learn(&mut self, kind: NameKind, name: &str, most: usize) -> Option<Value> {
        if self.learned >= most {
            return None;
        }
        self.learned = self.learned.saturating_add(1);
        Some(self.add(kind, name))
    }

    /// A known name.
    pub(crate) fn find(&self, kind: NameKind, name: &str) -> Option<Value> {
        self.kinds.get(kind as usize)?.get(name).copied().map(Value::Name)
    }

    /// What is written for a value.
    pub(crate) fn with_text<T>(&self, value: Value, write: impl FnOnce(&str) -> T) -> T {
        match value {
            Value::Word(word) => write(word.text()),
            Value::Method(method) => write(method.name),
            Value::Reason(reason) => write(reason.name()),
            Value::Revision(revision) => write(revision.as_str()),
            Value::Number(number) => write(&number.to_string()),
            Value::Name(number) => write(self.texts.get(number as usize).map_or("", |text| &**text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_mix_and_what_is_learned_is_bounded() {
        let mut vocabulary = Vocabulary::default();
        let tool = vocabulary.add(NameKind::Tool, "a");
        let prompt = vocabulary.add(NameKind::Prompt, "a");
        assert_ne!(tool, prompt);
        assert_eq!(vocabulary.add(NameKind::Tool, "a"), tool);
        assert_eq!(vocabulary.find(NameKind::Rule, "a"), None);
        assert_eq!(vocabulary.with_text(prompt, str::to_owned), "a");
        assert_eq!(vocabulary.with_text(Value::Number(-7), str::to_owned), "-7");
        for (most, learned) in [(1, true), (1, false), (2, true), (2, false)] {
            let name = format!("{most}{learned}");
            assert_eq!(vocabulary.learn(NameKind::Tool, &name, most).is_some(), learned);
            assert_eq!(vocabulary.find(NameKind::Tool, &name).is_some(), learned);
        }
    }
}
