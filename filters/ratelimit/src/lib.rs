//! Envoy's Rate Limit Service (`envoy.service.ratelimit.v3`), by which proxies share what they count.
//!
//! A stage asks the service about descriptors with [`Service::ask`] and [`meshward_engine::Verdict::Ask`], and reads the answer
//! with [`outcome`]. What is not surely an answer to the question is none: [`Outcome::Unknown`].
//!
//! Nothing is known of what the service counts, or in which windows: the limits are its own, unless a descriptor brings
//! one ([`Descriptor::limit`]), which not every service heeds.

#![forbid(unsafe_code)]

mod config;
mod outcome;
mod proto;
mod service;

pub use config::RateLimitServiceConfig;
pub use outcome::{Failure, Outcome, outcome};
pub use service::{Descriptor, Override, Service, Unit};
