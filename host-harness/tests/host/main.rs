//! The host's behaviour, with modules in WebAssembly text.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod failure;
#[cfg(test)]
mod hostcalls;
#[cfg(test)]
mod order;
#[cfg(test)]
mod request;
#[cfg(test)]
mod response;
#[cfg(test)]
mod support;
