use super::*;

/// A host whose random bytes are these, over and over.
#[derive(Debug)]
struct Random(Option<Vec<u8>>);

impl Host for Random {
    fn now(&self) -> u64 {
        0
    }
    fn random(&self, into: &mut [u8]) -> bool {
        let Some(bytes) = &self.0 else { return false };
        into.iter_mut().zip(bytes.iter().cycle()).for_each(|(byte, random)| *byte = *random);
        true
    }
}

#[test]
fn a_trace_is_sampled_by_its_id() {
    let with = |random_part: u64| {
        let mut id = [0xff; 16];
        id[8..].copy_from_slice(&(0xab << 56 | random_part).to_be_bytes());
        TraceId(id)
    };
    let half = RANGE / 2;
    for (ratio, samples) in [
        (0.0, [false, false, false, false]),
        (0.5, [false, false, true, true]),
        (1.0, [true, true, true, true]),
        (f64::EPSILON / 1e10, [false, false, false, false]),
    ] {
        let sampling = Sampling::of(ratio);
        assert_eq!([0, half - 1, half, RANGE - 1].map(|part| sampling.samples(with(part))), samples, "{ratio}");
    }
    // The more is sampled at a lower ratio, the more at a higher: what is sampled at 0.1 is at 0.2.
    for part in (0..1000).map(|n| RANGE / 1000 * n) {
        assert!(!Sampling::of(0.1).samples(with(part)) || Sampling::of(0.2).samples(with(part)));
    }
}

#[test]
fn about_as_many_are_sampled_as_asked_for() {
    // A multiplicative hash of a counter, so that the test is the same each time.
    let ids = (1..=10_000_u64).map(|n| {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        TraceId(id)
    });
    let sampled = ids.filter(|id| Sampling::of(0.25).samples(*id)).count();
    assert!((2400..2600).contains(&sampled), "{sampled}");
}

#[test]
fn a_new_parent_is_random_and_says_so() {
    let parent = start(&Random(Some((1..=24).collect())), Sampling::of(1.0)).unwrap();
    assert_eq!(parent.quoted().0, *br#""00-0102030405060708090a0b0c0d0e0f10-1112131415161718-03""#);
    assert_eq!(start(&Random(Some((1..=24).collect())), Sampling::of(0.0)).unwrap().flags, RANDOM);
    assert_eq!(start(&Random(None), Sampling::of(1.0)), None);
    assert_eq!(start(&Random(Some(vec![0])), Sampling::of(1.0)), None);
}

/// The examples of OpenTelemetry's specification, and the edges.
#[test]
fn a_threshold_is_written_without_zeros_at_its_end() {
    for (ratio, state) in [
        (1.0, None),
        (0.5, Some("ot=th:8")),
        (0.25, Some("ot=th:c")),
        (1.0 - 1.0 / 65536.0, Some("ot=th:0001")),
        (1.0 / 65536.0, Some("ot=th:ffff")),
        (1.0 / RANGE as f64, Some("ot=th:ffffffffffffff")),
        (0.0, None),
    ] {
        assert_eq!(Sampling::of(ratio).state().as_deref(), state, "{ratio}");
    }
    // 1 %: `fd70a4` to six digits.
    assert!(Sampling::of(0.01).state().unwrap().starts_with("ot=th:fd70a3d70a3d"));
}
