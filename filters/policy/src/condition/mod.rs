//! The conditions of rules (`when`), in the Common Expression Language (CEL, <https://github.com/google/cel-spec>).
//!
//! A condition is compiled once, when the configuration loads, against the names that [`environment`] declares; what it
//! says wrongly is found there, with its place. Evaluation works on the text of the message where it stands, takes no
//! more steps than [`bound`] allows, recurses no deeper than the condition is nested, and answers [`Truth::ERROR`] for
//! everything that has no value. It keeps nothing, and says nothing of the values it has seen.

mod bound;
mod check;
mod comparison;
mod containers;
mod environment;
mod fault;
mod functions;
mod kinds;
mod logic;
mod operand;
mod operators;
mod term;
mod text;
mod tree;
mod words;

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use cel::parser::PrattParser;
use cel::{Env, IdedExpr};
use meshward_engine::HeaderDemand;

use self::check::Plan;
use self::environment::{Facts, Scope};
use self::fault::Fault;
use self::logic::Evaluation;
use self::words::Words;
use crate::subject::Subject;
use crate::truth::Truth;

/// A compiled condition.
pub struct Condition {
    plan: Plan,
    env: Arc<Env>,
}

/// What a condition looks at, besides what the message itself says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    /// The call's arguments.
    pub arguments: bool,
    /// `params._meta`.
    pub meta: bool,
    /// The client's name.
    pub client: bool,
    /// The claims of the token.
    pub claims: bool,
    /// The identity of the mTLS peer.
    pub peer: bool,
    /// The address the request comes from.
    pub source: bool,
    /// Fields of the request's header.
    pub headers: HeaderDemand,
}

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    ///
    /// What is wrong with it, each as `line:column: message`.
    pub fn compile(source: &str) -> Result<Self, Vec<String>> {
        let (plan, env) = read(source, check::check)?;
        Ok(Self { plan, env })
    }

    /// What it looks at.
    #[must_use]
    pub const fn wants(&self) -> &Wants {
        &self.plan.wants
    }

    /// Evaluates it on a message. Where arguments are not known, it is [`Truth::UNKNOWN`] unless the rest decides.
    #[must_use]
    pub fn evaluate(&self, subject: &Subject<'_>) -> Truth {
        let facts = Facts::of(subject);
        Evaluation::new(&self.env, &Scope::of(&self.plan, Some(&facts))).run(&self.plan)
    }

    /// The values it can have at most, by its constants alone: [`Truth::FALSE`] never holds, whatever the message is.
    #[must_use]
    pub fn at_most(&self) -> Truth {
        Evaluation::new(&self.env, &Scope::of(&self.plan, None)).run_without_message(&self.plan)
    }
}

/// Reads a source, and checks it.
fn read(
    source: &str,
    check: impl FnOnce(&IdedExpr, Words<'_>, &Arc<Env>) -> Result<Plan, Vec<Fault>>,
) -> Result<(Plan, Arc<Env>), Vec<String>> {
    let render = |faults: Vec<Fault>| faults.iter().map(|fault| fault.render(source)).collect::<Vec<_>>();
    let words = Words::read(source).map_err(|fault| render(vec![fault]))?;
    let expr = PrattParser::default().parse(source).map_err(|errors| {
        let place = |error: &cel::ParseError| format!("{}:{}: {}", error.pos.0.max(1), error.pos.1.max(1), error.msg);
        errors.errors.iter().map(place).collect::<Vec<_>>()
    })?;
    let env = functions::environment().map_err(|error| vec![error.to_string()])?;
    let plan = check(&expr, words, &env).map_err(render)?;
    Ok((plan, env))
}

/// A compiled expression with a simple value, by which messages are told apart.
pub struct Key {
    plan: Plan,
    env: Arc<Env>,
}

impl Key {
    /// Compiles an expression in the language of conditions.
    ///
    /// # Errors
    ///
    /// What is wrong with it, each as `line:column: message`.
    pub fn compile(source: &str) -> Result<Self, Vec<String>> {
        let (plan, env) = read(source, check::check_key)?;
        Ok(Self { plan, env })
    }

    /// What it looks at.
    #[must_use]
    pub const fn wants(&self) -> &Wants {
        &self.plan.wants
    }

    /// Its value for a message, as text: what is written alike is the same key. `None`: it cannot be
    /// evaluated, or is something else.
    #[must_use]
    pub fn of(&self, subject: &Subject<'_>) -> Option<String> {
        let facts = Facts::of(subject);
        Evaluation::new(&self.env, &Scope::of(&self.plan, Some(&facts))).key(&self.plan)
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Debug for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("plan", &self.plan).finish_non_exhaustive()
    }
}
