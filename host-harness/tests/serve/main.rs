//! `meshward serve` as a process, between real clients and real upstreams on loopback.
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
mod stream;
#[cfg(test)]
mod support;
