//! How frames pass through the module: Envoy's filter manager with one filter and a router behind it.
//!
//! Follows `source/common/http/filter_manager.cc` and `source/extensions/common/wasm/context.cc`.

mod callouts;
mod flow;
mod out;
mod reply;
