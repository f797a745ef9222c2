//! The `meshward` tool as a process: `serve` between real clients and real upstreams on loopback, and the commands that need
//! neither.
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod http1;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
