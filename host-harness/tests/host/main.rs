//! The host's behaviour, with modules in WebAssembly text.

#[cfg(test)]
mod request;
#[cfg(test)]
mod support;
