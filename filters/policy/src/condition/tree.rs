//! Values out of JSON: the message's text where it stands, and the claims of the token. Only what a condition names is
//! looked at, and containers are handed on by their places.

use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Adder, Indexer, Iterable, Iterator as Cursor, Sizer};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelNull, CelString, CelUInt, LIST_TYPE, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use meshward_wire::json::{self, Member, Span, ValueKind};

use super::bound;

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'t> {
    /// JSON text that was read strictly.
    Text(&'t str),
    /// An object whose members have been found already.
    Indexed(&'t Index<'t>),
    /// A value of the token.
    Claim(&'t serde_json::Value),
    /// The token itself.
    Claims(&'t serde_json::Map<String, serde_json::Value>),
}

impl<'t> Place<'t> {
    /// Where the value of a member stands; nowhere if this is no object.
    pub(super) fn member(self, key: &str) -> Result<Option<Self>, ExecutionError> {
        Ok(match self {
            Self::Text(text) => {
                let found = json::members(text, whole(text)).find(|member| is_key(member.key.of(text), key));
                bound::read(found.map_or(text.len(), |member| member.value.end))?;
                found.map(|member| Self::Text(member.value.of(text)))
            }
            Self::Indexed(index) => {
                bound::spend(index.members.len() / 16)?;
                let found = index.members.iter().find(|member| is_key(member.key.of(index.text), key));
                found.map(|member| Self::Text(member.value.of(index.text)))
            }
            Self::Claims(members) => members.get(key).map(Self::Claim),
            Self::Claim(claim) => claim.get(key).map(Self::Claim),
        })
    }
}

/// An object with the places of its members: for `args` and `meta`, which conditions look into more than once.
#[derive(Debug)]
pub(super) struct Index<'t> {
    text: &'t str,
    members: Vec<Member>,
}

impl<'t> Index<'t> {
    /// Of an object's text; of any other value's, an empty one.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, members: json::members(text, whole(text)).collect() }
    }
}

const fn whole(text: &str) -> Span {
    Span { start: 0, end: text.len() }
}

/// Whether a key's letters say this key. Letters are never shorter than what they say.
fn is_key(letters: &str, key: &str) -> bool {
    letters == key || letters.len() > key.len() && letters.contains('\\') && json::unescape(letters) == key
}

/// The value that stands somewhere.
///
/// # Errors
///
/// For an integer that neither `int` nor `uint` holds, and a number beyond the range of `double`.
pub(super) fn value<'t>(place: Place<'t>) -> Result<Box<dyn Val + 't>, ExecutionError> {
    match place {
        Place::Text(text) => match json::kind(text, whole(text)).ok_or_else(bound::error)? {
            ValueKind::Null => Ok(Box::new(CelNull)),
            ValueKind::Bool => Ok(Box::new(CelBool::from(text.starts_with('t')))),
            ValueKind::Number => number(text),
            ValueKind::String => Ok(Box::new(string(whole(text).without_quotes().of(text))?)),
            ValueKind::Array => Ok(Box::new(Array::new(place))),
            ValueKind::Object => Ok(Box::new(Object::new(place))),
        },
        Place::Indexed(_) | Place::Claims(_) => Ok(Box::new(Object::new(place))),
        Place::Claim(claim) => match claim {
            serde_json::Value::Null => Ok(Box::new(CelNull)),
            serde_json::Value::Bool(value) => Ok(Box::new(CelBool::from(*value))),
            serde_json::Value::Number(number) => {
                if let Some(value) = number.as_i64() {
                    return Ok(Box::new(CelInt::from(value)));
                }
                if let Some(value) = number.as_u64() {
                    return Ok(Box::new(CelUInt::from(value)));
                }
                let value = number.as_f64().filter(|value| value.is_finite()).ok_or_else(bound::error)?;
                Ok(Box::new(CelDouble::from(value)))
            }
            serde_json::Value::String(text) => Ok(Box::new(CelString::from(text.as_str()))),
            serde_json::Value::Array(_) => Ok(Box::new(Array::new(place))),
            serde_json::Value::Object(members) => Ok(Box::new(Object::new(Place::Claims(members)))),
        },
    }
}

/// A string from its letters between the quotes.
fn string(letters: &str) -> Result<CelString<'_>, ExecutionError> {
    bound::read(letters.len())?;
    if letters.contains('\\') {
        bound::write(letters.len())?;
    }
    Ok(CelString::from(json::unescape(letters)))
}

fn number<'t>(letters: &str) -> Result<Box<dyn Val + 't>, ExecutionError> {
    if letters.contains(['.', 'e', 'E']) {
        return Ok(Box::new(CelDouble::from(json::double(letters).ok_or_else(bound::error)?)));
    }
    if let Some(integer) = json::integer(letters) {
        return Ok(Box::new(CelInt::from(integer)));
    }
    Ok(Box::new(CelUInt::from(letters.parse::<u64>().map_err(|_| bound::error())?)))
}

type Values<'t> = Vec<Box<dyn Val + 't>>;

/// The values of a container, where all are asked for. What cannot be read fails the evaluation: the crate takes no
/// error here.
fn read_all<'t>(values: impl Iterator<Item = Result<Box<dyn Val + 't>, ExecutionError>>) -> Values<'t> {
    let paid = values.map(|value| bound::spend(1).and(value));
    paid.collect::<Result<_, _>>().unwrap_or_else(|_| {
        bound::fail();
        Vec::new()
    })
}

/// A list.
#[derive(Debug)]
pub(super) struct Array<'t> {
    place: Place<'t>,
    elements: OnceLock<Values<'t>>,
}

impl<'t> Array<'t> {
    const fn new(place: Place<'t>) -> Self {
        Self { place, elements: OnceLock::new() }
    }

    fn elements(&self) -> &Values<'t> {
        self.elements.get_or_init(|| match self.place {
            Place::Text(text) => read_all(json::elements(text, whole(text)).map(|element| {
                // Finding its end took as long as it is.
                bound::read(element.len())?;
                value(Place::Text(element.of(text)))
            })),
            Place::Claim(serde_json::Value::Array(elements)) => {
                read_all(elements.iter().map(|element| value(Place::Claim(element))))
            }
            _ => Vec::new(),
        })
    }

    fn element(&self, position: usize) -> Result<Box<dyn Val + 't>, ExecutionError> {
        match self.place {
            Place::Text(text) => {
                let found = json::elements(text, whole(text)).nth(position);
                bound::read(found.map_or(text.len(), |element| element.end))?;
                found.map_or_else(|| Err(bound::error()), |element| value(Place::Text(element.of(text))))
            }
            Place::Claim(claim) => claim.get(position).map(Place::Claim).map_or_else(|| Err(bound::error()), value),
            _ => Err(bound::error()),
        }
    }

    fn count(&self) -> usize {
        match self.place {
            Place::Text(text) => match bound::read(text.len()) {
                Ok(()) => json::elements(text, whole(text)).count(),
                Err(_) => 0,
            },
            Place::Claim(claim) => claim.as_array().map_or(0, Vec::len),
            _ => 0,
        }
    }
}

/// A map.
#[derive(Debug)]
pub(super) struct Object<'t> {
    place: Place<'t>,
    keys: OnceLock<Values<'t>>,
}

impl<'t> Object<'t> {
    pub(super) const fn new(place: Place<'t>) -> Self {
        Self { place, keys: OnceLock::new() }
    }

    fn keys(&self) -> &Values<'t> {
        let of_text = |text: &'t str| {
            read_all(json::members(text, whole(text)).map(|member| {
                bound::read(member.span().len())?;
                Ok(Box::new(string(member.key.of(text))?) as Box<dyn Val + 't>)
            }))
        };
        self.keys.get_or_init(|| match self.place {
            Place::Text(text) => of_text(text),
            Place::Indexed(index) => of_text(index.text),
            Place::Claims(members) => {
                read_all(members.keys().map(|key| Ok(Box::new(CelString::from(key.as_str())) as Box<dyn Val + 't>)))
            }
            Place::Claim(_) => Vec::new(),
        })
    }

    /// The text of a key; `None` for what is no string, and so no key of a JSON object.
    fn key(key: &dyn Val) -> Option<&str> {
        key.downcast_ref::<CelString<'_>>().map(|key| key.inner())
    }

    fn count(&self) -> usize {
        match self.place {
            Place::Text(text) => match bound::read(text.len()) {
                Ok(()) => json::members(text, whole(text)).count(),
                Err(_) => 0,
            },
            Place::Indexed(index) => index.members.len(),
            Place::Claims(members) => members.len(),
            Place::Claim(_) => 0,
        }
    }
}

impl Val for Array<'_> {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.place))
    }
}

impl Val for Object<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.place))
    }
}

impl Adder for Array<'_> {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let mut sum: Vec<Box<dyn Val + 'v>> = Vec::new();
        for element in self.elements() {
            bound::weigh(element.as_ref())?;
            sum.push(element.clone_as_boxed());
        }
        let mut more = rhs.as_iterable().ok_or_else(bound::error)?.iter();
        while let Some(element) = more.next() {
            bound::weigh(element)?;
            sum.push(element.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(sum)))
    }
}

impl Indexer for Array<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let position = if let Some(position) = index.downcast_ref::<CelInt>() {
            usize::try_from(*position.inner()).ok()
        } else if let Some(position) = index.downcast_ref::<CelUInt>() {
            usize::try_from(*position.inner()).ok()
        } else {
            // Numbers compare by their values, so 1.0 is the position 1; the conversion keeps to the range.
            let position = index.downcast_ref::<CelDouble>().map(|position| *position.inner());
            position
                .filter(|position| position.trunc() == *position && *position >= 0.0)
                .map(|position| position as usize)
        };
        self.element(position.ok_or_else(bound::error)?).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Indexer for Object<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let found = match Self::key(key) {
            Some(key) => self.place.member(key)?,
            None => None,
        };
        match found {
            Some(place) => value(place).map(CowVal::Owned),
            None => Err(ExecutionError::NoSuchKey(Arc::default())),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Iterable for Array<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Cursor<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Walk(self.elements().iter()))
    }
}

impl Iterable for Object<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Cursor<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Walk(self.keys().iter()))
    }
}

impl Sizer for Array<'_> {
    fn size(&self) -> CelInt {
        i64::try_from(self.count()).unwrap_or(i64::MAX).into()
    }
}

impl Sizer for Object<'_> {
    fn size(&self) -> CelInt {
        i64::try_from(self.count()).unwrap_or(i64::MAX).into()
    }
}

struct Walk<'b, 't>(std::slice::Iter<'b, Box<dyn Val + 't>>);

impl<'b, 't: 'v, 'v> Cursor<'b, 'v> for Walk<'b, 't> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|value| value.as_ref() as &'b (dyn Val + 'v))
    }
}
