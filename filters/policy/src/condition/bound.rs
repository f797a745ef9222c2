//! The bounds of a condition: what is checked when it is compiled, and the steps an evaluation may take.
//!
//! A step is a part of a comprehension's body evaluated, an element looked at, or a stretch of text read or made. Time and
//! memory are in proportion to the steps, so whatever the arguments are, an evaluation ends within its bound. The crate
//! hands its functions no state, so the steps of the evaluation under way are kept beside it, one for each thread.

use std::cell::Cell;

use cel::ExecutionError;
use cel::common::types::Kind;
use cel::common::value::Val;

/// Bytes of a condition's text.
pub(super) const MAX_SOURCE: usize = 4096;

/// Words of a condition: they bound the tree that the parser builds before its depth is known.
pub(super) const MAX_WORDS: usize = 1024;

/// Levels of a condition's tree; evaluation recurses no deeper.
pub(super) const MAX_DEPTH: usize = 40;

/// Comprehensions (`all`, `exists`, `map`, …) inside one another.
pub(super) const MAX_LOOPS: usize = 3;

/// Bytes of a compiled pattern of `matches`.
pub(super) const MAX_PATTERN: usize = 32 << 10;

/// Levels of lists and maps that are compared with one another, or weighed.
pub(super) const MAX_NESTING: usize = 80;

/// Steps of one evaluation.
pub(super) const MAX_STEPS: usize = 200_000;

/// Bytes of text that are passed over in one step.
const READ: usize = 64;

/// Bytes of text that are made in one step.
const WRITTEN: usize = 16;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Gives an evaluation its steps.
pub(super) fn begin() {
    LEFT.set(MAX_STEPS);
}

/// Whether all steps are spent.
pub(super) fn is_spent() -> bool {
    LEFT.get() == 0
}

/// Marks what is being evaluated as failed, where the crate takes no error.
pub(super) fn fail() {
    FAILED.set(true);
}

/// Whether something failed since this was last asked.
pub(super) fn take_failed() -> bool {
    FAILED.replace(false)
}

/// An error. What went wrong is of no use to anybody, and values must not leak.
pub(super) fn error() -> ExecutionError {
    ExecutionError::MissingArgumentOrTarget
}

/// Spends steps; once there are not enough, there are none.
pub(super) fn spend(steps: usize) -> Result<(), ExecutionError> {
    match LEFT.get().checked_sub(steps).filter(|left| *left > 0) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => {
            LEFT.set(0);
            FAILED.set(true);
            Err(error())
        }
    }
}

/// For passing over so many bytes.
pub(super) fn read(bytes: usize) -> Result<(), ExecutionError> {
    spend((bytes / READ).saturating_add(1))
}

/// For making so many bytes, before they are made.
pub(super) fn write(bytes: usize) -> Result<(), ExecutionError> {
    spend((bytes / WRITTEN).saturating_add(1))
}

/// For looking for a pattern that has so many bytes when compiled: at worst, all of its states are visited for every
/// letter.
pub(super) fn search(bytes: usize, pattern: usize) -> Result<(), ExecutionError> {
    spend((bytes / WRITTEN).saturating_add(1).saturating_mul((pattern / 128).saturating_add(1)))
}

/// For copying a value, or handing it to a function that takes time in proportion to it.
pub(super) fn weigh(value: &dyn Val) -> Result<(), ExecutionError> {
    weigh_within(value, MAX_NESTING)
}

fn weigh_within(value: &dyn Val, levels: usize) -> Result<(), ExecutionError> {
    spend(1)?;
    match value.get_type().kind() {
        Kind::String => write(value.downcast_ref::<cel::common::types::CelString<'_>>().map_or(0, |text| text.len())),
        Kind::Bytes => {
            write(value.downcast_ref::<cel::common::types::CelBytes<'_>>().map_or(0, |bytes| bytes.inner().len()))
        }
        Kind::List | Kind::Map => {
            let levels = levels.checked_sub(1).ok_or_else(error)?;
            // What stands in JSON text is copied by its place.
            let made = value.downcast_ref::<cel::common::types::CelList<'_>>();
            for element in made.into_iter().flat_map(|list| list.inner()) {
                weigh_within(element.as_ref(), levels)?;
            }
            let made = value.downcast_ref::<cel::common::types::CelMap<'_>>();
            for (key, element) in made.into_iter().flat_map(|map| map.inner()) {
                weigh_within(key.inner(), levels)?;
                weigh_within(element.as_ref(), levels)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
