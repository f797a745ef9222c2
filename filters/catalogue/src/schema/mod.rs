//! Input schemas: JSON Schema 2020-12 and the drafts from 6 on, compiled once and checked within a budget.
//!
//! A schema comes from a server and the arguments from a client, and neither is trusted: a schema of a few hundred bytes
//! can ask for 2^100 evaluations (`allOf` of twice the same `$ref`, a hundred deep), or for a regular expression that
//! backtracks for ever. So an evaluation has a budget of [`MAX_STEPS`], the depth is bounded, and patterns are matched
//! in linear time. Numbers are compared exactly, as they are written.
//!
//! References stay in the schema: `$ref` and `$dynamicRef` to `#`, `#/…` and `#anchor`, or to the schema's own `$id`.
//! Nothing is ever fetched. A schema that refers elsewhere or embeds another resource (`$id` below the root) is not used;
//! so in every schema that is, `$dynamicRef` and `$recursiveRef` mean what `$ref` means. `format` and the `content*`
//! keywords say nothing about validity, as the default vocabulary of 2020-12 has it.

mod check;
mod compile;
mod dialect;
mod document;
mod evaluate;
mod marks;
mod pattern;
mod references;
mod steps;

#[cfg(test)]
mod tests;

use self::check::Rule;
use self::document::{Table, Unreadable};
use self::evaluate::Run;
use crate::violation::{Unusable, Violation};

/// The budget of one evaluation; a step is about ten nanoseconds of work. A call of some kilobytes takes hundreds.
pub(crate) const MAX_STEPS: usize = 4 << 20;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The root is the first.
    rules: Vec<Rule>,
    /// For the pointers of violations.
    text: Box<str>,
    unchecked: Vec<String>,
    weight: usize,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn compile(text: &str) -> Result<Self, Unusable> {
        compile::compile(text)
    }

    /// Holds the arguments of a call against it.
    ///
    /// # Errors
    /// They do not fit, or to tell takes more than the budget.
    pub(crate) fn check(&self, arguments: &str) -> Result<(), Violation> {
        let table = Table::read(arguments).map_err(|_: Unreadable| Violation::TooComplex)?;
        let mut run = Run::new(&self.rules, MAX_STEPS);
        match run.root(table.root(arguments)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Violation::Unfit(self.pointer(run.failure()))),
            Err(steps::TooComplex) => Err(Violation::TooComplex),
        }
    }

    /// JSON pointers to the patterns that are not checked, because that cannot be done in linear time.
    pub(crate) fn unchecked(&self) -> &[String] {
        &self.unchecked
    }

    /// About how many bytes of memory it takes.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    fn pointer(&self, (at, keyword): (usize, &str)) -> String {
        let mut pointer =
            Table::read(&self.text).map(|table| table.root(&self.text).pointer_to(at)).unwrap_or_default();
        if !keyword.is_empty() {
            pointer.push('/');
            pointer.push_str(keyword);
        }
        pointer
    }
}
