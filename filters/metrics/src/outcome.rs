//! What a request came to, in the words of the conventions.

use meshward_engine::{AnswerKind, Decided, MessageReport, Phase, Report, RulingEffect, is_failure};
use meshward_wire::refusal::Reason;

use crate::label::{OTHER, Value, Word};

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// In a word.
    pub(crate) is: Word,
    /// `error.type`.
    pub(crate) error: Option<Value>,
    /// `rpc.response.status_code`.
    pub(crate) code: Option<Value>,
    /// When it was known; `None`: it never will be here.
    pub(crate) at: Option<u64>,
}

/// Codes of JSON-RPC and MCP that are values of labels, besides those of our own refusals.
const CODES: [i64; 13] =
    [-32700, -32600, -32601, -32602, -32603, -32000, -32001, -32002, -32020, -32021, -32022, -32042, -32800];

/// A code as a value: a server can send any number.
fn code(code: Option<i64>) -> Value {
    let known = |code: i64| CODES.contains(&code) || Reason::ALL.iter().any(|reason| i64::from(reason.code()) == code);
    let number = code.filter(|code| known(*code)).and_then(|code| i16::try_from(code).ok());
    number.map_or(OTHER, Value::Number)
}

/// The outcome of a request.
pub(crate) fn of(report: &Report, message: &MessageReport) -> Outcome {
    let fault = |number: Option<i64>| is_failure(report.direction, number).then(|| code(number));
    let refused = message.rulings.iter().find_map(|ruling| match (ruling.on, ruling.effect) {
        (Phase::Response, RulingEffect::Refuses(reason)) => Some(i64::from(reason.shown().code())),
        _ => None,
    });
    let response = &report.response;
    let is_refused = matches!(message.decision, Decided::Denied(_)) || refused.is_some();
    let word = |otherwise| if is_refused { Word::Refused } else { otherwise };
    let at = message.answer.map(|answer| answer.at);
    if message.decision == Decided::Failed {
        let failed = Some(Value::Word(Word::Failed));
        return Outcome { is: Word::Failed, error: failed, code: None, at: at.or(report.ended) };
    }
    let answer = refused.map(|code| AnswerKind::Error { code: Some(code) }).or(message.answer.map(|answer| answer.is));
    match answer {
        Some(AnswerKind::Result { is_error: false }) => Outcome { is: word(Word::Ok), error: None, code: None, at },
        Some(AnswerKind::Result { is_error: true }) => {
            Outcome { is: word(Word::ToolError), error: Some(Value::Word(Word::ToolError)), code: None, at }
        }
        Some(AnswerKind::Error { code: number }) => {
            Outcome { is: word(Word::Error), error: fault(number), code: Some(code(number)), at }
        }
        None => {
            let fixed = |is| Outcome { is, error: Some(Value::Word(is)), code: None, at: report.ended };
            match response.status {
                // The answer comes on another stream (2024-11-05), in another exchange.
                Some(202) => Outcome { is: Word::Accepted, error: None, code: None, at: None },
                Some(status) if status >= 400 => {
                    let error = i16::try_from(status).map_or(OTHER, Value::Number);
                    Outcome { error: Some(error), ..fixed(Word::HttpError) }
                }
                _ if !response.is_complete => fixed(Word::Aborted),
                _ if response.is_unread => Outcome { error: None, ..fixed(Word::Unread) },
                _ => fixed(Word::Unanswered),
            }
        }
    }
}
