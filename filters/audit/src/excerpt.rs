//! What a record says of a message's text: it can only be had while the message is at hand.

use meshward_engine::Call;
use meshward_wire::json::Span;
use meshward_wire::message::Message;

use crate::config::AuditConfig;
use crate::digest::sha256;
use crate::redact::Redaction;

/// Sizes, hashes, and what a configuration asks for of the contents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpt {
    pub(crate) message_bytes: Option<u64>,
    pub(crate) arguments_bytes: Option<u64>,
    pub(crate) arguments_sha256: Option<String>,
    /// JSON.
    pub(crate) arguments: Option<String>,
    /// JSON.
    pub(crate) result: Option<String>,
    /// Fields that are not whole.
    pub(crate) cut: Vec<&'static str>,
}

/// How excerpts are made.
#[derive(Debug)]
pub(crate) struct Excerpts {
    digest: bool,
    arguments: bool,
    results: bool,
    /// Bytes that arguments, and that a result, may take of a record.
    max: usize,
    redaction: Redaction,
}

impl Excerpts {
    pub(crate) fn new(config: &AuditConfig) -> Self {
        Self {
            digest: config.digest,
            arguments: config.arguments,
            results: config.results,
            max: config.max_record_bytes.0,
            redaction: Redaction::new(&config.redact),
        }
    }

    pub(crate) fn of_call(&self, call: &Call<'_>) -> Excerpt {
        let mut excerpt = Excerpt { message_bytes: Some(call.message.span().len() as u64), ..Excerpt::default() };
        if let Some(arguments) = call.message.arguments() {
            let letters = arguments.of(call.message.text());
            excerpt.arguments_bytes = Some(letters.len() as u64);
            excerpt.arguments_sha256 = self.digest.then(|| sha256(letters.as_bytes()));
            if self.arguments {
                excerpt.arguments = self.written("arguments", call.message, arguments, &mut excerpt.cut);
            }
        }
        excerpt
    }

    pub(crate) fn add_result(&self, answer: &Message<'_>, excerpt: &mut Excerpt) {
        if let Some(result) = answer.result().filter(|_| self.results) {
            excerpt.result = self.written("result", answer, result, &mut excerpt.cut);
        }
    }

    fn written(
        &self,
        field: &'static str,
        message: &Message<'_>,
        value: Span,
        cut: &mut Vec<&'static str>,
    ) -> Option<String> {
        let written = self.redaction.apply(field, message.text(), value, self.max);
        if written.as_ref().is_none_or(|(_, is_cut)| *is_cut) {
            cut.push(field);
        }
        written.map(|(json, _)| json)
    }
}
