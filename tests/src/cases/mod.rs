//! The cases: what must happen to an HTTP exchange, written as files, and the runner that shows it on three hosts.
//!
//! `tests/cases/README.md` describes the files. [`load`] reads them, a [`report::Host`] plays each one and says what the
//! client and the upstream saw, [`judge`] compares that with what the file says, and [`report`] lists every failure.

mod body;
pub mod caller;
pub mod case;
mod chosen;
mod counts;
pub mod cut;
pub mod dpop;
pub mod envoy;
mod format;
mod frames;
pub mod harness;
pub mod judge;
mod keys;
pub mod left;
pub mod load;
pub mod native;
pub mod observed;
mod pattern;
pub mod report;
mod service;
