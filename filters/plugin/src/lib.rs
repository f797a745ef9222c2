//! `meshward.wasm`: the adapter between proxy-wasm and the exchange machine.
//!
//! It holds no decision of its own. Each callback hands one [`meshward_engine::Input`] to the exchange and carries out
//! the effects. Whatever cannot be carried out fails closed: the request is answered with an error, or stays held.

#![expect(missing_docs, reason = "the SDK's macro exports a function, and nobody links against this crate")]

mod abi;
mod callouts;
mod exchange;
mod metrics;
mod random;
mod root;
mod ticks;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
