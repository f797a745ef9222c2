//! Lists and maps out of JSON, as the crate sees them: known by their places, and made value by value only where all of
//! their values are asked for.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Adder, Indexer, Iterable, Iterator as Cursor, Sizer};
use cel::common::types::{CelDouble, CelInt, CelList, CelString, CelUInt, Kind, LIST_TYPE, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use meshward_wire::json;

use super::bound;
use super::tree::{self, Place, whole};

/// A list.
pub(super) type Array<'t> = Container<'t, Elements>;

/// A map.
pub(super) type Map<'t> = Container<'t, Members>;

type Values<'t> = Vec<Box<dyn Val + 't>>;

/// What stands at a place, looked at as this shape of container.
#[derive(Debug)]
pub(super) struct Container<'t, S> {
    place: Place<'t>,
    /// What a walk over it gives: elements, or keys.
    values: OnceLock<Values<'t>>,
    shape: PhantomData<S>,
}

/// A shape of containers.
pub(super) trait Shape: Debug + Send + Sync + 'static {
    const TYPE: &'static Type;

    /// What a walk over a container gives.
    fn values(place: Place<'_>) -> Values<'_>;

    /// The value at a position, or of a key.
    fn get<'t>(place: Place<'t>, key: &dyn Val) -> Result<Box<dyn Val + 't>, ExecutionError>;

    fn count(place: Place<'_>) -> usize;
}

/// The shape of lists.
#[derive(Debug)]
pub(super) struct Elements;

/// The shape of maps.
#[derive(Debug)]
pub(super) struct Members;

/// The values of a container, where all are asked for. What cannot be read fails the evaluation: the crate takes no
/// error here.
fn read_all<'t>(values: impl Iterator<Item = Result<Box<dyn Val + 't>, ExecutionError>>) -> Values<'t> {
    let paid = values.map(|value| bound::spend(1).and(value));
    paid.collect::<Result<_, _>>().unwrap_or_else(|_| {
        bound::fail();
        Vec::new()
    })
}

/// How many there are in a text, for the steps of reading it.
fn counted(text: &str, count: impl FnOnce() -> usize) -> usize {
    bound::read(text.len()).map_or(0, |()| count())
}

/// A position in a list. Numbers compare by their values, so 1.0 is the position 1.
fn position(index: &dyn Val) -> Option<usize> {
    if let Some(position) = index.downcast_ref::<CelInt>() {
        return usize::try_from(*position.inner()).ok();
    }
    if let Some(position) = index.downcast_ref::<CelUInt>() {
        return usize::try_from(*position.inner()).ok();
    }
    let position = *index.downcast_ref::<CelDouble>()?.inner();
    // The conversion keeps to the range.
    (position.trunc() == position && position >= 0.0).then_some(position as usize)
}

impl Shape for Elements {
    const TYPE: &'static Type = &LIST_TYPE;

    fn values(place: Place<'_>) -> Values<'_> {
        match place {
            Place::Text(text) => read_all(json::elements(text, whole(text)).map(|element| {
                // Finding its end took as long as it is.
                bound::read(element.len())?;
                tree::value(Place::Text(element.of(text)))
            })),
            Place::Claim(serde_json::Value::Array(elements)) => {
                read_all(elements.iter().map(|element| tree::value(Place::Claim(element))))
            }
            _ => Vec::new(),
        }
    }

    fn get<'t>(place: Place<'t>, key: &dyn Val) -> Result<Box<dyn Val + 't>, ExecutionError> {
        let position = position(key).ok_or_else(bound::error)?;
        match place {
            Place::Text(text) => {
                let found = json::elements(text, whole(text)).nth(position);
                bound::read(found.map_or(text.len(), |element| element.end))?;
                found.map_or_else(|| Err(bound::error()), |element| tree::value(Place::Text(element.of(text))))
            }
            Place::Claim(claim) => {
                claim.get(position).map_or_else(|| Err(bound::error()), |claim| tree::value(Place::Claim(claim)))
            }
            _ => Err(bound::error()),
        }
    }

    fn count(place: Place<'_>) -> usize {
        match place {
            Place::Text(text) => counted(text, || json::elements(text, whole(text)).count()),
            Place::Claim(claim) => claim.as_array().map_or(0, Vec::len),
            _ => 0,
        }
    }
}

impl Shape for Members {
    const TYPE: &'static Type = &MAP_TYPE;

    fn values(place: Place<'_>) -> Values<'_> {
        match place {
            Place::Indexed(object) => Self::values(Place::Text(object.span.of(object.text))),
            Place::Text(text) => read_all(json::members(text, whole(text)).map(|member| {
                bound::read(member.span().len())?;
                Ok(Box::new(CelString::from(tree::string(member.key.of(text))?)) as Box<dyn Val>)
            })),
            Place::Claims(members) => {
                read_all(members.keys().map(|key| Ok(Box::new(CelString::from(key.as_str())) as Box<dyn Val>)))
            }
            Place::Claim(_) => Vec::new(),
        }
    }

    fn get<'t>(place: Place<'t>, key: &dyn Val) -> Result<Box<dyn Val + 't>, ExecutionError> {
        // What is no string is no key of a JSON object.
        let found = match key.downcast_ref::<CelString<'_>>() {
            Some(key) => place.member(key.inner())?,
            None => None,
        };
        found.map_or_else(|| Err(ExecutionError::NoSuchKey(Arc::default())), tree::value)
    }

    fn count(place: Place<'_>) -> usize {
        match place {
            Place::Text(text) => counted(text, || json::members(text, whole(text)).count()),
            Place::Indexed(object) => object.members.len(),
            Place::Claims(members) => members.len(),
            Place::Claim(_) => 0,
        }
    }
}

impl<'t, S: Shape> Container<'t, S> {
    pub(super) const fn new(place: Place<'t>) -> Self {
        Self { place, values: OnceLock::new(), shape: PhantomData }
    }

    fn values(&self) -> &Values<'t> {
        self.values.get_or_init(|| S::values(self.place))
    }
}

impl<S: Shape> Val for Container<'_, S> {
    fn get_type(&self) -> &Type {
        S::TYPE
    }

    fn cel_type() -> &'static Type {
        S::TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        (S::TYPE.kind() == Kind::List).then_some(self)
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

/// Of lists.
impl<S: Shape> Adder for Container<'_, S> {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let mut sum: Vec<Box<dyn Val + 'v>> = Vec::new();
        for element in self.values() {
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

impl<S: Shape> Indexer for Container<'_, S> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        S::get(self.place, key).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        S::get(self.place, key)
    }
}

impl<S: Shape> Iterable for Container<'_, S> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Cursor<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Walk(self.values().iter()))
    }
}

impl<S: Shape> Sizer for Container<'_, S> {
    fn size(&self) -> CelInt {
        i64::try_from(S::count(self.place)).unwrap_or(i64::MAX).into()
    }
}

struct Walk<'b, 't>(std::slice::Iter<'b, Box<dyn Val + 't>>);

impl<'b, 't: 'v, 'v> Cursor<'b, 'v> for Walk<'b, 't> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|value| value.as_ref() as &'b (dyn Val + 'v))
    }
}
