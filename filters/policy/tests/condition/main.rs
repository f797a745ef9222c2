//! Conditions: what they mean, what is refused, what they cost at most.

mod bound;
mod compile;
mod documentation;
mod properties;
mod support;
mod values;
