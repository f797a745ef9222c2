//! In place of input schemas, where the module has no part that reads them (feature `schema-validation`).

use crate::violation::{Unusable, Violation};

/// No schema is ever compiled: the configuration refuses to ask for it.
#[derive(Debug)]
pub(crate) enum Schema {}

impl Schema {
    pub(crate) fn compile(_: &str) -> Result<Self, Unusable> {
        Err(Unusable::Invalid { pointer: String::new(), problem: "this module does not read schemas".into() })
    }

    pub(crate) const fn check(&self, _: &str) -> Result<(), Violation> {
        match *self {}
    }

    pub(crate) const fn unchecked(&self) -> &[String] {
        match *self {}
    }

    pub(crate) const fn weight(&self) -> usize {
        match *self {}
    }
}
