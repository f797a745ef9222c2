//! The functions that conditions may call: their names, how they are called, on what, and what they give.
//!
//! The crate's standard library without timestamps and durations, and the crate's strings extension without `format`,
//! `quote` and `reverse`. Some names are served by a function of ours instead of the crate's; see [`super::text`].

use std::sync::{Arc, LazyLock};

use cel::common::types::DYN_TYPE;
use cel::{DeclarationError, Env, extensions};

use super::kinds::Kinds;
use super::{comparison, text};

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`
    Global,
    /// `x.f()`
    Member,
    /// Either way.
    Both,
}

/// One function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// The function that stands in for the crate's, if one does.
    pub(super) instead: Option<&'static str>,
    pub(super) form: Form,
    /// The types of the arguments, what it is called on being the first.
    pub(super) takes: &'static [Kinds],
    /// How many of the last ones may be left out.
    pub(super) optional: usize,
    pub(super) gives: Kinds,
}

const fn global(name: &'static str, takes: &'static [Kinds], gives: Kinds) -> Signature {
    Signature { name, instead: None, form: Form::Global, takes, optional: 0, gives }
}

const fn on_text(name: &'static str, takes: &'static [Kinds], optional: usize, gives: Kinds) -> Signature {
    Signature { name, instead: None, form: Form::Member, takes, optional, gives }
}

const fn instead(name: &'static str, signature: Signature) -> Signature {
    Signature { instead: Some(name), ..signature }
}

const S: Kinds = Kinds::STRING;
const SIZED: Kinds = Kinds::STRING.or(Kinds::BYTES).or(Kinds::LIST).or(Kinds::MAP);
const NUMBER_OR_TEXT: Kinds = Kinds::NUMBER.or(Kinds::STRING);
const STRINGS: Kinds = NUMBER_OR_TEXT.or(Kinds::BOOL).or(Kinds::BYTES);

/// Every function.
pub(super) const SIGNATURES: [Signature; 23] = [
    Signature {
        name: "size",
        instead: Some("@size"),
        form: Form::Both,
        takes: &[SIZED],
        optional: 0,
        gives: Kinds::INT,
    },
    global("int", &[NUMBER_OR_TEXT], Kinds::INT),
    global("uint", &[NUMBER_OR_TEXT], Kinds::UINT),
    global("double", &[NUMBER_OR_TEXT], Kinds::DOUBLE),
    global("string", &[STRINGS], S),
    global("bytes", &[Kinds::STRING.or(Kinds::BYTES)], Kinds::BYTES),
    global("bool", &[Kinds::BOOL.or(Kinds::STRING)], Kinds::BOOL),
    global("dyn", &[Kinds::ANY], Kinds::ANY),
    global("type", &[Kinds::ANY], Kinds::TYPE),
    Signature {
        name: "matches",
        instead: Some("@matches"),
        form: Form::Both,
        takes: &[S, S],
        optional: 0,
        gives: Kinds::BOOL,
    },
    on_text("contains", &[S, S], 0, Kinds::BOOL),
    on_text("startsWith", &[S, S], 0, Kinds::BOOL),
    on_text("endsWith", &[S, S], 0, Kinds::BOOL),
    on_text("charAt", &[S, Kinds::INT], 0, S),
    on_text("lowerAscii", &[S], 0, S),
    on_text("upperAscii", &[S], 0, S),
    on_text("trim", &[S], 0, S),
    on_text("substring", &[S, Kinds::INT, Kinds::INT], 1, S),
    instead("@index_of", on_text("indexOf", &[S, S, Kinds::INT], 1, Kinds::INT)),
    instead("@last_index_of", on_text("lastIndexOf", &[S, S, Kinds::INT], 1, Kinds::INT)),
    instead("@join", on_text("join", &[Kinds::LIST, S], 1, S)),
    instead("@replace", on_text("replace", &[S, S, S, Kinds::INT], 1, S)),
    instead("@split", on_text("split", &[S, S, Kinds::INT], 1, Kinds::LIST)),
];

/// The environment that conditions are evaluated in, made once.
pub(super) fn environment() -> Result<Arc<Env>, DeclarationError> {
    static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| {
        let mut env = Env::default().with_optional_support(false).with_stdlib();
        env.add_extension(extensions::strings)?;
        for (name, _, function) in comparison::COMPARISONS {
            env.add_overload(name, name, vec![DYN_TYPE, DYN_TYPE], function)?;
        }
        for (name, least, most, function) in text::FUNCTIONS {
            for count in least..=most {
                env.add_overload(name, &format!("{name}_{count}"), (0..count).map(|_| DYN_TYPE).collect(), function)?;
            }
        }
        Ok(Arc::new(env))
    });
    ENVIRONMENT.clone()
}
