//! The answer.

use meshward_engine::CalloutOutcome;
use prost::Message;

use crate::proto::{DescriptorStatus, OK, OVER_LIMIT, RateLimitResponse};

/// What the service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All descriptors are within their limits.
    Within,
    /// One of them is not.
    Over {
        /// After how many seconds it will be, where the service says so: at least 1.
        retry_after: Option<u32>,
    },
    /// There is no answer, or none that can be believed.
    Unknown(Failure),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It could not be reached, or was not asked.
    Unreachable,
    /// The call ended with this status of gRPC: 4 for too late, 14 for not available.
    Status(u32),
    /// The answer is none of the protocol's, or does not fit the question.
    Malformed,
}

impl Failure {
    /// Its name, one of a closed list.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status(4) => "late",
            Self::Unreachable | Self::Status(_) => "unavailable",
            Self::Malformed => "malformed",
        }
    }
}

/// The longest answer that is read, in bytes: a service answers with some bytes for each descriptor.
const LONGEST_ANSWER: usize = 64 << 10;
/// The longest time to wait that is passed on, in seconds: a day.
const LONGEST_WAIT: i64 = 86_400;

/// What the end of a call means that asked about so many descriptors.
///
/// An answer says how each descriptor stands, or (Limitador) only how all of them do; one that speaks of another number
/// of them, contradicts itself, or knows no code is none.
#[must_use]
pub fn outcome(descriptors: usize, ended: &CalloutOutcome) -> Outcome {
    match ended {
        CalloutOutcome::Grpc { status: 0, message } if message.len() <= LONGEST_ANSWER => {
            match RateLimitResponse::decode(message.as_slice()) {
                Ok(answer) => read(descriptors, &answer),
                Err(_) => Outcome::Unknown(Failure::Malformed),
            }
        }
        CalloutOutcome::Grpc { status: 0, .. } | CalloutOutcome::Answered { .. } => {
            Outcome::Unknown(Failure::Malformed)
        }
        CalloutOutcome::Grpc { status, .. } => Outcome::Unknown(Failure::Status(*status)),
        CalloutOutcome::Failed => Outcome::Unknown(Failure::Unreachable),
    }
}

fn read(descriptors: usize, RateLimitResponse { overall_code, statuses }: &RateLimitResponse) -> Outcome {
    let is_over = |status: &&DescriptorStatus| status.code == OVER_LIMIT;
    let speaks_of_all = statuses.is_empty() || statuses.len() == descriptors;
    let knows_codes = statuses.iter().all(|status| matches!(status.code, OK | OVER_LIMIT));
    if !speaks_of_all || !knows_codes {
        return Outcome::Unknown(Failure::Malformed);
    }
    match (*overall_code, statuses.iter().any(|status| is_over(&status))) {
        (OK, false) => Outcome::Within,
        (OVER_LIMIT, some_over) if some_over || statuses.is_empty() => {
            let waits = statuses.iter().filter(is_over).filter_map(|status| status.duration_until_reset);
            Outcome::Over { retry_after: waits.map(whole_seconds).max() }
        }
        _ => Outcome::Unknown(Failure::Malformed),
    }
}

/// A time to wait, rounded up.
fn whole_seconds(wait: prost_types::Duration) -> u32 {
    let seconds = wait.seconds.saturating_add(i64::from(wait.nanos > 0));
    u32::try_from(seconds.clamp(1, LONGEST_WAIT)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(code: i32, reset: Option<(i64, i32)>) -> DescriptorStatus {
        let duration_until_reset = reset.map(|(seconds, nanos)| prost_types::Duration { seconds, nanos });
        DescriptorStatus { code, duration_until_reset }
    }

    fn answered(answer: &RateLimitResponse) -> CalloutOutcome {
        CalloutOutcome::Grpc { status: 0, message: answer.encode_to_vec() }
    }

    fn said(overall_code: i32, statuses: Vec<DescriptorStatus>) -> CalloutOutcome {
        answered(&RateLimitResponse { overall_code, statuses })
    }

    const MALFORMED: Outcome = Outcome::Unknown(Failure::Malformed);

    #[test]
    fn only_an_answer_to_the_question_is_one() {
        let over = |retry_after| Outcome::Over { retry_after };
        let (ok, no) = (status(1, Some((9, 0))), status(2, None));
        for (ended, expected) in [
            (said(1, vec![]), Outcome::Within),
            (said(1, vec![ok, ok]), Outcome::Within),
            (said(2, vec![]), over(None)),
            (said(2, vec![ok, no]), over(None)),
            (said(2, vec![ok, status(2, Some((3, 1)))]), over(Some(4))),
            (said(2, vec![status(2, Some((7, 0))), status(2, Some((3, 1)))]), over(Some(7))),
            (said(2, vec![ok, status(2, Some((0, 0)))]), over(Some(1))),
            (said(2, vec![ok, status(2, Some((-5, 0)))]), over(Some(1))),
            (said(2, vec![ok, status(2, Some((i64::MAX, i32::MAX)))]), over(Some(86_400))),
            // No code, an unknown one, too few or too many statuses, one that has no code, contradictions.
            (said(0, vec![]), MALFORMED),
            (said(3, vec![]), MALFORMED),
            (said(-1, vec![]), MALFORMED),
            (said(1, vec![ok]), MALFORMED),
            (said(2, vec![no]), MALFORMED),
            (said(1, vec![ok, ok, ok]), MALFORMED),
            (said(1, vec![ok, status(0, None)]), MALFORMED),
            (said(1, vec![ok, no]), MALFORMED),
            (said(2, vec![ok, ok]), MALFORMED),
            // What is no answer of the protocol.
            (CalloutOutcome::Grpc { status: 0, message: vec![] }, MALFORMED),
            (CalloutOutcome::Grpc { status: 0, message: b"<html>".to_vec() }, MALFORMED),
            (CalloutOutcome::Grpc { status: 0, message: vec![8, 1, 18, 200] }, MALFORMED),
            (
                CalloutOutcome::Grpc { status: 0, message: [&[8_u8, 1, 42, 0x81, 0x80, 4][..], &[0; 65_537]].concat() },
                MALFORMED,
            ),
            (CalloutOutcome::Answered { status: 200, body: vec![8, 1] }, MALFORMED),
            (CalloutOutcome::Grpc { status: 14, message: vec![] }, Outcome::Unknown(Failure::Status(14))),
            // A status counts, whatever comes with it.
            (CalloutOutcome::Grpc { status: 4, message: vec![8, 1] }, Outcome::Unknown(Failure::Status(4))),
            (CalloutOutcome::Failed, Outcome::Unknown(Failure::Unreachable)),
        ] {
            assert_eq!(outcome(2, &ended), expected, "{ended:?}");
        }
    }

    #[test]
    fn what_is_not_known_of_an_answer_is_skipped() {
        // A header field to add, a body, a limit's name and remainder: all that a service may say besides.
        let message =
            b"\x08\x01\x12\x0c\x08\x01\x12\x06\x08\x05\x10\x01\x1a\x00\x18\x04\x1a\x06\x0a\x01a\x12\x01b\x2a\x02hi";
        let ended = CalloutOutcome::Grpc { status: 0, message: message.to_vec() };
        assert_eq!(outcome(1, &ended), Outcome::Within);
    }

    proptest! {
        #[test]
        fn no_bytes_are_taken_for_more_than_they_say(message: Vec<u8>, descriptors in 0_usize..4) {
            let ended = CalloutOutcome::Grpc { status: 0, message };
            let CalloutOutcome::Grpc { message, .. } = &ended else { panic!("{ended:?}") };
            let read = RateLimitResponse::decode(message.as_slice());
            match outcome(descriptors, &ended) {
                Outcome::Within => prop_assert!(read.is_ok_and(|read| read.overall_code == OK)),
                Outcome::Over { .. } => prop_assert!(read.is_ok_and(|read| read.overall_code == OVER_LIMIT)),
                Outcome::Unknown(failure) => prop_assert_eq!(failure, Failure::Malformed),
            }
        }

        #[test]
        fn answers_that_nearly_fit(
            overall_code in -1..4_i32,
            codes in prop::collection::vec(0..4_i32, 0..4),
            cut in 0_usize..20,
            descriptors in 0_usize..4,
        ) {
            let statuses: Vec<_> = codes.iter().map(|code| status(*code, None)).collect();
            let mut message = RateLimitResponse { overall_code, statuses }.encode_to_vec();
            let whole = outcome(descriptors, &CalloutOutcome::Grpc { status: 0, message: message.clone() });
            let fits = codes.is_empty() || codes.len() == descriptors;
            let within = fits && overall_code == OK && codes.iter().all(|code| *code == OK);
            prop_assert_eq!(whole == Outcome::Within, within);
            message.truncate(message.len().saturating_sub(cut));
            let _: Outcome = outcome(descriptors, &CalloutOutcome::Grpc { status: 0, message });
        }
    }
}
