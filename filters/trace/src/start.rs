//! A trace that begins here.

use meshward_engine::{Host, TraceId};

use crate::parent::{Parent, RANDOM, SAMPLED};

#[cfg(test)]
mod tests;

/// How many values the random part of a trace id has: its last 7 bytes.
const RANGE: u64 = 1 << 56;

/// Which traces that begin here are sampled: those whose random part is not below a threshold, as OpenTelemetry's samplers
/// decide that are consistent (specification, Trace, "Probability sampling").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampling {
    threshold: u64,
}

impl Sampling {
    /// Samples a part of all traces, from 0 to 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the product lies between 0 and 2^56, which are exact"
    )]
    pub(crate) fn of(ratio: f64) -> Self {
        Self { threshold: RANGE.saturating_sub((ratio.clamp(0.0, 1.0) * RANGE as f64).round() as u64) }
    }

    /// What the `tracestate` of a trace says that is sampled by this: OpenTelemetry's rejection threshold, by which whoever counts spans knows
    /// for how many each stands (specification, Trace, "TraceState: Probability Sampling"). `None`: no part is left out.
    pub(crate) fn state(self) -> Option<String> {
        let digits = format!("{:014x}", self.threshold);
        (1..RANGE).contains(&self.threshold).then(|| format!("ot=th:{}", digits.trim_end_matches('0')))
    }

    pub(crate) fn samples(self, trace_id: TraceId) -> bool {
        let [.., last] = trace_id.0.as_chunks::<8>().0 else { return false };
        u64::from_be_bytes(*last) % RANGE >= self.threshold
    }
}

/// A new parent; `None` where the host has no randomness. Nobody has recorded its span.
pub(crate) fn start(host: &dyn Host, sampling: Sampling) -> Option<Parent> {
    let mut random = [0; 24];
    if !host.random(&mut random) {
        return None;
    }
    let (trace_id, span_id) = random.split_first_chunk::<16>()?;
    let (trace_id, span_id) = (TraceId(*trace_id), *span_id.first_chunk::<8>()?);
    let flags = if sampling.samples(trace_id) { SAMPLED | RANDOM } else { RANDOM };
    (trace_id.0 != [0; 16] && span_id != [0; 8]).then_some(Parent { trace_id, span_id, flags })
}
