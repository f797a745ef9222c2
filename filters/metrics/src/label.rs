//! Labels: their names, and their values, which are never made from what somebody sent.

use meshward_wire::method::Method;
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;
use serde::Deserialize;

/// A label that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// `mcp_method_name`: a method of MCP, or `other`.
    Method,
    /// `gen_ai_tool_name`: a tool that the configuration or the server names, or `other`.
    Tool,
    /// `gen_ai_prompt_name`: a prompt that the configuration names, or `other`.
    Prompt,
    /// `error_type`: why it failed.
    ErrorType,
    /// `rpc_response_status_code`: the code of a JSON-RPC error, or `other`.
    StatusCode,
    /// `mcp_protocol_version`.
    Revision,
    /// `reason`: why it was, or would have been, refused.
    Reason,
    /// `rule`: the rule that decided.
    Rule,
    /// `endpoint`: the endpoint's path.
    Endpoint,
}

/// A label. Those that [`Label`] does not name are what their metric is about, and always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Method,
    Tool,
    Prompt,
    ErrorType,
    StatusCode,
    Revision,
    Reason,
    Rule,
    Endpoint,
    Outcome,
    Decision,
    Sender,
}

impl Key {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Sender as usize + 1;

    /// Its name in a series.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Method => "mcp_method_name",
            Self::Tool => "gen_ai_tool_name",
            Self::Prompt => "gen_ai_prompt_name",
            Self::ErrorType => "error_type",
            Self::StatusCode => "rpc_response_status_code",
            Self::Revision => "mcp_protocol_version",
            Self::Reason => "reason",
            Self::Rule => "rule",
            Self::Endpoint => "endpoint",
            Self::Outcome => "outcome",
            Self::Decision => "decision",
            Self::Sender => "sender",
        }
    }

    /// The label that a configuration can leave out.
    pub(crate) const fn optional(self) -> Option<Label> {
        Some(match self {
            Self::Method => Label::Method,
            Self::Tool => Label::Tool,
            Self::Prompt => Label::Prompt,
            Self::ErrorType => Label::ErrorType,
            Self::StatusCode => Label::StatusCode,
            Self::Revision => Label::Revision,
            Self::Reason => Label::Reason,
            Self::Rule => Label::Rule,
            Self::Endpoint => Label::Endpoint,
            Self::Outcome | Self::Decision | Self::Sender => return None,
        })
    }
}

macro_rules! words {
    ($($word:ident $text:literal,)*) => {
        /// A value out of a closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Word { $($word,)* }

        impl Word {
            /// All of them, in order.
            const ALL: &[Self] = &[$(Self::$word,)*];

            /// As it is written.
            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }
    };
}

words! {
    Aborted "aborted",
    Accepted "accepted",
    Allowed "allowed",
    Client "client",
    Denied "denied",
    Error "error",
    Failed "failed",
    HttpError "http_error",
    Observed "observed",
    Ok "ok",
    Other "other",
    Refused "refused",
    Server "server",
    ToolError "tool_error",
    Unanswered "unanswered",
    Unread "unread",
}

/// A label's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of a closed list.
    Word(Word),
    /// A method of MCP.
    Method(&'static Method),
    /// A reason of refusal.
    Reason(Reason),
    /// A revision of the protocol.
    Revision(Revision),
    /// A code or a status.
    Number(i16),
    /// A name, by its place in the vocabulary; of those that have [`NAME_BITS`].
    Name(u32),
}

/// A value as one number, other for each; 0 for none. The kind is in the bits above [`NAME_BITS`].
pub(crate) type Code = u32;

/// How many bits of a name's place are kept: far more than there can be names.
const NAME_BITS: u32 = 28;
const LOW: Code = (1 << NAME_BITS) - 1;

impl Value {
    /// As a number, which is small, and quick to compare.
    pub(crate) fn code(self) -> Code {
        let (kind, number) = match self {
            Self::Word(word) => (1, word as Code),
            Self::Method(method) => (2, place_of(method)),
            Self::Reason(reason) => (3, reason as Code),
            Self::Revision(revision) => (4, revision as Code),
            Self::Number(number) => (5, Code::from(number.cast_unsigned())),
            Self::Name(number) => (6, number & LOW),
        };
        kind << NAME_BITS | number
    }

    /// The value of a number.
    fn of(code: Code) -> Option<Self> {
        let number = code & LOW;
        let place = number as usize;
        Some(match code >> NAME_BITS {
            1 => Self::Word(*Word::ALL.get(place)?),
            2 => Self::Method(Method::all().get(place)?),
            3 => Self::Reason(*Reason::ALL.get(place)?),
            4 => Self::Revision(*Revision::ALL.get(place)?),
            5 => Self::Number(u16::try_from(number).ok()?.cast_signed()),
            6 => Self::Name(number),
            _ => return None,
        })
    }
}

/// The place of a method in the table, which has one place in memory.
fn place_of(method: &'static Method) -> Code {
    let from_the_first = std::ptr::from_ref(method).addr().wrapping_sub(Method::all().as_ptr().addr());
    from_the_first.checked_div(size_of::<Method>()).and_then(|place| Code::try_from(place).ok()).unwrap_or(LOW)
}

/// The value of whatever is not known.
pub(crate) const OTHER: Value = Value::Word(Word::Other);

/// What is known of one measurement, by label.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Labels([Code; Key::COUNT]);

impl Labels {
    /// The same with one value more.
    pub(crate) fn with(mut self, key: Key, value: Option<Value>) -> Self {
        self.set(key, value);
        self
    }

    pub(crate) fn set(&mut self, key: Key, value: Option<Value>) {
        if let Some(place) = self.0.get_mut(key as usize) {
            *place = value.map_or(0, Value::code);
        }
    }

    /// All values as numbers, 0 where there is none.
    pub(crate) const fn codes(&self) -> &[Code; Key::COUNT] {
        &self.0
    }

    /// A value as a number.
    pub(crate) fn code(&self, key: Key) -> Code {
        self.0.get(key as usize).copied().unwrap_or_default()
    }

    /// A value.
    pub(crate) fn get(&self, key: Key) -> Option<Value> {
        Value::of(self.code(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn values_differ_as_numbers_and_are_found_by_them() {
        let words = Word::ALL.iter().copied().map(Value::Word);
        let numbers = [0, 1, -1, 404, i16::MIN, i16::MAX].map(Value::Number);
        let names = [0, 1, LOW].map(Value::Name);
        let reasons = Reason::ALL.iter().copied().map(Value::Reason);
        let revisions = Revision::ALL.into_iter().map(Value::Revision);
        let methods = Method::all().iter().map(Value::Method);
        let all: Vec<_> = words.chain(numbers).chain(names).chain(reasons).chain(revisions).chain(methods).collect();
        for value in &all {
            assert_eq!(Value::of(value.code()), Some(*value));
        }
        let codes: BTreeSet<_> = all.iter().map(|value| value.code()).collect();
        assert_eq!(codes.len(), all.len());
        assert_eq!(Value::of(0), None);
    }
}
