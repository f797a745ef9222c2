//! Conditions: what they mean, what is refused, what they cost at most.

mod compile;
mod support;
mod values;
