//! What becomes of the two contexts of a request.

use crate::carrier::Place;
use crate::config::Rule;
use crate::parent::{Parent, SAMPLED};

#[cfg(test)]
mod tests;

/// What is known beside the two places.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    /// The span that the proxy's own tracer has made for the HTTP request; it takes the place of the head's parent when
    /// the head goes on.
    pub(crate) proxy_span: Option<Parent>,
    /// The head can still be edited.
    pub(crate) can_edit_head: bool,
    /// The parent of the first request of the same batch.
    pub(crate) earlier: Option<Parent>,
    /// The `tracestate` of a trace that begins here, if it is sampled.
    pub(crate) begun: Option<&'a str>,
}

/// Has the two places agree, as far as the rule wants it, and says which parent the request has then. `start` begins a trace.
pub(crate) fn reconcile(
    rule: Rule,
    head: &mut Place,
    meta: &mut Place,
    around: &Around<'_>,
    start: impl FnOnce() -> Option<Parent>,
) -> Option<Parent> {
    let http = around.proxy_span.or(head.parent.value);
    let (meta_wins, head_wins) = match rule {
        Rule::Convention => (false, false),
        Rule::Meta => (true, false),
        Rule::Header => (false, true),
        Rule::Restart => {
            meta.clear();
            (false, true)
        }
    };
    match (meta.parent.value, http) {
        // The parent's own vendors' positions go with it, and no others.
        (Some(parent), Some(http)) if head_wins && parent != http => to_meta(http, head, meta),
        (None, Some(http)) => to_meta(http, head, meta),
        (Some(parent), http) if around.can_edit_head && (http.is_none() || meta_wins && http != Some(parent)) => {
            head.follow(parent, meta.state.value.as_deref());
        }
        (Some(_), _) => {}
        (None, None) => {
            let begun = |parent: Parent| (parent, around.begun.filter(|_| parent.flags & SAMPLED != 0));
            let earlier = around.earlier.map(|parent| (parent, None));
            if let Some((parent, state)) = earlier.or_else(|| start().map(begun)) {
                meta.follow(parent, state);
                if around.can_edit_head {
                    head.follow(parent, state);
                }
            }
        }
    }
    match (&meta.baggage.value, &head.baggage.value) {
        (Some(baggage), Some(own)) if head_wins && baggage != own => meta.take_baggage(own),
        (None, Some(baggage)) => meta.take_baggage(baggage),
        (Some(baggage), own)
            if around.can_edit_head && (own.is_none() || meta_wins && own.as_ref() != Some(baggage)) =>
        {
            head.take_baggage(baggage);
        }
        _ => {}
    }
    meta.parent.value.or(http)
}

/// Gives `_meta` the HTTP request's context.
fn to_meta(http: Parent, head: &Place, meta: &mut Place) {
    let is_of_trace = head.parent.value.is_some_and(|parent| parent.trace_id == http.trace_id);
    meta.follow(http, head.state.value.as_deref().filter(|_| is_of_trace));
}
