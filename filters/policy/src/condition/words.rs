//! The words of a condition with their places: the parser's tree has none.
//!
//! The checker walks the tree in the order of the text, and finds each name and sign as the next word that reads so.

use cel::parser::pratt_parser::{Lexer, TokenKind};

use super::bound::{MAX_SOURCE, MAX_WORDS};
use super::fault::Fault;

#[derive(Debug)]
pub(super) struct Words<'s> {
    words: Vec<(usize, &'s str)>,
    next: usize,
}

impl<'s> Words<'s> {
    /// Reads the words, and refuses what the parser should not see.
    pub(super) fn read(source: &'s str) -> Result<Self, Fault> {
        if source.len() > MAX_SOURCE {
            return Err(Fault::new(0, format!("a condition may have {MAX_SOURCE} bytes, not {}", source.len())));
        }
        let mut lexer = Lexer::new(source);
        let mut words = Vec::new();
        loop {
            let token = lexer.lex();
            match token.kind {
                TokenKind::TokEnd => return Ok(Self { words, next: 0 }),
                TokenKind::TokWhitespace | TokenKind::TokComment => continue,
                TokenKind::TokError => {
                    let message = lexer.get_error().map_or("unexpected character", |error| error.message.as_str());
                    return Err(Fault::new(token.start, message.to_owned()));
                }
                _ => {}
            }
            if words.len() >= MAX_WORDS {
                return Err(Fault::new(token.start, format!("a condition may have {MAX_WORDS} words")));
            }
            words.push((token.start, source.get(token.start..token.end).unwrap_or_default()));
        }
    }

    /// The place of the next word that fits; without one, of the last that was found.
    pub(super) fn find(&mut self, fits: impl Fn(&str) -> bool) -> usize {
        let rest = self.words.get(self.next..).unwrap_or_default();
        if let Some(at) = rest.iter().position(|(_, word)| fits(word)) {
            self.next = self.next.saturating_add(at).saturating_add(1);
        }
        self.words.get(self.next.saturating_sub(1)).map_or(0, |(start, _)| *start)
    }

    /// The place of the next word that reads so.
    pub(super) fn word(&mut self, word: &str) -> usize {
        self.find(|other| other == word)
    }

    /// The place of the next string.
    pub(super) fn string(&mut self) -> usize {
        self.find(|word| word.ends_with(['"', '\'']))
    }

    /// The place of the word that comes next, behind brackets and commas.
    pub(super) fn peek(&self) -> usize {
        let rest = self.words.get(self.next..).unwrap_or_default();
        rest.iter()
            .find(|(_, word)| !matches!(*word, "(" | ","))
            .or_else(|| self.words.last())
            .map_or(0, |(start, _)| *start)
    }
}
