//! Functions on strings that stand in for the crate's: those that take time or memory beyond the size of what they
//! are given, or a pattern. Positions count code points, as in the rest of CEL.

use cel::ExecutionError;
use cel::common::functions::Function;
use cel::common::types::{CelBool, CelInt, CelList, CelString, DYN_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use regex_lite::{Regex, RegexBuilder};

use super::bound::{self, MAX_PATTERN};
use super::operand::Operand;

pub(super) const SIZE: &str = "@size";

/// The functions, with how many arguments each takes at least and at most.
pub(super) const FUNCTIONS: [(&str, usize, usize, Function); 8] = [
    (SIZE, 1, 1, |arguments| {
        let value = arguments.first().ok_or_else(bound::error)?;
        Ok(CowVal::owned(CelInt::from(size(Operand::of(value.as_ref()))?)))
    }),
    ("@matches", 2, 2, matches),
    ("@replace", 3, 4, replace),
    ("@split", 2, 3, split),
    ("@join", 1, 2, join),
    ("@index_of", 2, 3, |arguments| index(&arguments, false)),
    ("@last_index_of", 2, 3, |arguments| index(&arguments, true)),
    ("@steps", 2, 2, steps),
];

/// A compiled pattern, as a value.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// Bytes, up to a power of two.
    size: usize,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or that it is larger than [`MAX_PATTERN`].
    pub(super) fn new(pattern: &str) -> Result<Self, regex_lite::Error> {
        // It does not say how large it is, but whether it is larger than this.
        let mut size = 512;
        loop {
            match RegexBuilder::new(pattern).size_limit(size).nest_limit(32).build() {
                Ok(regex) => return Ok(Self { regex, size }),
                Err(error) if size >= MAX_PATTERN => return Err(error),
                Err(_) => size = size.saturating_mul(2),
            }
        }
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }

    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

fn text<'p>(arguments: &'p [CowVal<'_, '_>], position: usize) -> Result<&'p str, ExecutionError> {
    let argument = arguments.get(position).ok_or_else(bound::error)?;
    let text = argument.downcast_ref::<CelString<'_>>().ok_or_else(bound::error)?.inner();
    bound::read(text.len())?;
    Ok(text)
}

fn integer(arguments: &[CowVal<'_, '_>], position: usize) -> Result<Option<i64>, ExecutionError> {
    let Some(argument) = arguments.get(position) else { return Ok(None) };
    argument.downcast_ref::<CelInt>().map(|integer| Some(*integer.inner())).ok_or_else(bound::error)
}

/// How many times; without a limit, or with a negative one, as often as there is something.
fn limit(arguments: &[CowVal<'_, '_>], position: usize) -> Result<usize, ExecutionError> {
    Ok(integer(arguments, position)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
}

/// `@steps(value, n)`: the value, for the steps of getting it and those of copying it.
fn steps<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let count = integer(&arguments, 1)?.unwrap_or_default();
    bound::spend(usize::try_from(count).unwrap_or(usize::MAX))?;
    arguments.truncate(1);
    let value = arguments.pop().ok_or_else(bound::error)?;
    bound::weigh(value.as_ref())?;
    Ok(value)
}

/// The size of whatever has one: in code points, bytes, elements or members. What stands in JSON text is paid for where it
/// is counted.
pub(super) fn size(value: Operand<'_>) -> Result<i64, ExecutionError> {
    match value {
        Operand::Text(text) => {
            bound::read(text.len())?;
            i64::try_from(text.chars().count()).map_err(|_| bound::error())
        }
        Operand::Other(value) => Ok(*value.as_sizer().ok_or_else(bound::error)?.size().inner()),
        _ => Err(bound::error()),
    }
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let subject = text(&arguments, 0)?;
    let pattern = arguments.get(1).and_then(|pattern| pattern.downcast_ref::<Pattern>()).ok_or_else(bound::error)?;
    bound::search(subject.len(), pattern.size)?;
    Ok(CowVal::owned(CelBool::from(pattern.regex.is_match(subject))))
}

fn replace<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (subject, from, to) = (text(&arguments, 0)?, text(&arguments, 1)?, text(&arguments, 2)?);
    bound::write(subject.len())?;
    let mut out = String::new();
    let mut end = 0;
    for (start, found) in subject.match_indices(from).take(limit(&arguments, 3)?) {
        bound::spend(1)?;
        bound::write(to.len())?;
        out.push_str(subject.get(end..start).ok_or_else(bound::error)?);
        out.push_str(to);
        end = start.saturating_add(found.len());
    }
    out.push_str(subject.get(end..).ok_or_else(bound::error)?);
    Ok(CowVal::owned(CelString::from(out)))
}

fn split<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (subject, separator) = (text(&arguments, 0)?, text(&arguments, 1)?);
    let limit = limit(&arguments, 2)?;
    bound::write(subject.len())?;
    let mut pieces: Vec<Box<dyn Val>> = Vec::new();
    let mut push = |piece: &str| {
        bound::spend(1)?;
        pieces.push(Box::new(CelString::from(piece.to_owned())));
        Ok::<_, ExecutionError>(pieces.len())
    };
    let (mut rest, mut count) = (subject, 0_usize);
    while count.saturating_add(1) < limit {
        let next = if separator.is_empty() {
            let length = rest.chars().next().map_or(0, char::len_utf8);
            // The last character is the last piece.
            rest.split_at_checked(length).filter(|(_, after)| !after.is_empty())
        } else {
            rest.split_once(separator)
        };
        let Some((piece, after)) = next else { break };
        count = push(piece)?;
        rest = after;
    }
    if limit > 0 && !(separator.is_empty() && rest.is_empty()) {
        push(rest)?;
    }
    Ok(CowVal::owned(CelList::from(pieces)))
}

fn join<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let separator = if arguments.len() > 1 { text(&arguments, 1)? } else { "" };
    let list = arguments.first().and_then(|list| list.as_iterable()).ok_or_else(bound::error)?;
    let mut elements = list.iter();
    let mut out: Option<String> = None;
    while let Some(element) = elements.next() {
        let piece = element.downcast_ref::<CelString<'_>>().ok_or_else(bound::error)?.inner();
        bound::spend(1)?;
        bound::write(piece.len().saturating_add(separator.len()))?;
        match &mut out {
            None => out = Some(piece.to_owned()),
            Some(out) => {
                out.push_str(separator);
                out.push_str(piece);
            }
        }
    }
    Ok(CowVal::owned(CelString::from(out.unwrap_or_default())))
}

/// The byte at which a code point begins; the end is one too.
fn offset(text: &str, position: i64) -> Result<usize, ExecutionError> {
    let position = usize::try_from(position).map_err(|_| bound::error())?;
    let mut offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]);
    offsets.nth(position).ok_or_else(bound::error)
}

/// The first place at or behind a position, or the last at or before it.
fn index<'b, 'v>(arguments: &[CowVal<'b, 'v>], last: bool) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (subject, part) = (text(arguments, 0)?, text(arguments, 1)?);
    let from = integer(arguments, 2)?;
    let found = if last {
        let end = match from {
            None => subject.len(),
            Some(from) => offset(subject, from)?.saturating_add(part.len()).min(subject.len()),
        };
        // The end may be inside a character: then nothing ends there, and the part may end at the one before.
        let end = (0..=end).rev().take(4).find(|end| subject.is_char_boundary(*end)).unwrap_or_default();
        subject.get(..end).and_then(|before| before.rfind(part))
    } else {
        let start = from.map_or(Ok(0), |from| offset(subject, from))?;
        subject.get(start..).and_then(|rest| rest.find(part)).map(|found| found.saturating_add(start))
    };
    let position = match found.and_then(|found| subject.get(..found)) {
        Some(before) => i64::try_from(before.chars().count()).map_err(|_| bound::error())?,
        None => -1,
    };
    Ok(CowVal::owned(CelInt::from(position)))
}
