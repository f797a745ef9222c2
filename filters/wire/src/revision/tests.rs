use super::*;

const STATELESS: Revision = Revision::V2026_07_28;

fn header(value: &str) -> VersionHeader<'_> {
    VersionHeader::read(std::iter::once(value.as_bytes()))
}

fn request<'a>(method: &'a str, params: Said<'a>, meta: Said<'a>) -> Statement<'a> {
    Statement { method: Some(method), is_request: true, params, meta }
}

#[test]
fn every_revision_reads_back() {
    for revision in Revision::ALL {
        assert_eq!(Revision::parse(revision.as_str()), Some(revision));
    }
    for text in ["", "2025-06-17", "2026-07-28 ", "2026-7-28", "DRAFT-2026-v1", "2025-11-25\0"] {
        assert_eq!(Revision::parse(text), None, "{text:?}");
    }
    assert!(Revision::ALL.is_sorted());
}

#[test]
fn each_revision_has_its_features() {
    let row = |revision: Revision| {
        (revision.era(), revision.allows_batches(), revision.has_version_header(), revision.requires_mirrored_headers())
    };
    assert_eq!(
        Revision::ALL.map(row),
        [
            (Era::LegacySse, false, false, false),
            (Era::Session, true, false, false),
            (Era::Session, false, true, false),
            (Era::Session, false, true, false),
            (Era::Stateless, false, true, true),
        ]
    );
}

#[test]
fn the_header_is_read_once_and_to_the_letter() {
    use VersionHeader::{Absent, Known, Malformed, Repeated, Unknown};
    assert_eq!(VersionHeader::read(std::iter::empty()), Absent);
    assert_eq!(header("2025-11-25"), Known(Revision::V2025_11_25));
    assert_eq!(header(" \t2026-07-28\t "), Known(STATELESS));
    assert_eq!(header("2099-01-01"), Unknown("2099-01-01"));
    // A list is one value that is no revision; it is never taken apart.
    assert_eq!(header("2025-11-25, 2025-11-25"), Unknown("2025-11-25, 2025-11-25"));
    assert_eq!(VersionHeader::read([&b"2025-11-25"[..], b"2025-11-25"].into_iter()), Repeated);
    for value in [&b""[..], b" ", b"2025-11-25\0", b"\xff", b"a\nb"] {
        assert_eq!(VersionHeader::read(std::iter::once(value)), Malformed, "{value:?}");
    }
}

#[test]
fn the_header_is_bounded() {
    for (length, malformed) in
        [(MAX_VERSION_BYTES - 1, false), (MAX_VERSION_BYTES, false), (MAX_VERSION_BYTES + 1, true)]
    {
        assert_eq!(header(&"9".repeat(length)) == VersionHeader::Malformed, malformed, "{length}");
        let said = "9".repeat(length);
        let result = recognise(VersionHeader::Absent, &request("tools/list", Said::Nothing, Said::Text(&said)));
        assert_eq!(result == Err(Unrecognised::InvalidMeta), malformed, "{length}");
    }
}

#[test]
fn initialize_is_the_servers_to_negotiate() {
    let initialize = |params| request("initialize", params, Said::Nothing);
    for (asked, expected) in [
        (Said::Text("2024-11-05"), Recognised::Known(Revision::V2024_11_05)),
        (Said::Text("2025-11-25"), Recognised::Known(Revision::V2025_11_25)),
        (Said::Text("2099-01-01"), Recognised::Negotiating),
        (Said::Text(""), Recognised::Negotiating),
        // No `initialize` leads there, so its rules do not hold for one either.
        (Said::Text("2026-07-28"), Recognised::Negotiating),
        (Said::Nothing, Recognised::Negotiating),
        (Said::NotText, Recognised::Negotiating),
    ] {
        // With and without a header, whatever it says: old clients send none, reconnecting ones their last.
        for value in [VersionHeader::Absent, header("2025-06-18"), header("2026-07-28"), header("2099-01-01")] {
            assert_eq!(recognise(value, &initialize(asked)), Ok(expected), "{asked:?} {value:?}");
        }
    }
}

#[test]
fn an_initialize_with_stateless_meta_follows_the_stateless_rules() {
    let message = request("initialize", Said::Text("2025-11-25"), Said::Text("2099-01-01"));
    let unsupported = Err(Unrecognised::Unsupported { requested: "2099-01-01" });
    assert_eq!(recognise(VersionHeader::Absent, &message), unsupported);
}

#[test]
fn a_session_is_recognised_by_its_header() {
    let call = request("tools/call", Said::Nothing, Said::Nothing);
    assert_eq!(recognise(header("2025-06-18"), &call), Ok(Recognised::Known(Revision::V2025_06_18)));
    assert_eq!(recognise(header("2025-11-25"), &call), Ok(Recognised::Known(Revision::V2025_11_25)));
    // The server is left to say which member of `_meta` it misses (-32602); the mirrored headers are required.
    assert_eq!(recognise(header("2026-07-28"), &call), Ok(Recognised::Known(STATELESS)));
    assert_eq!(recognise(VersionHeader::Absent, &call), Ok(Recognised::Assumed(Revision::V2025_03_26)));
    let response = Statement::default();
    assert_eq!(recognise(header("2025-11-25"), &response), Ok(Recognised::Known(Revision::V2025_11_25)));
}

#[test]
fn an_unknown_header_is_unsupported_on_all_but_initialize() {
    let unsupported = Err(Unrecognised::Unsupported { requested: "2099-01-01" });
    for method in ["tools/call", "tools/list", "server/discover", "notifications/initialized", "ping", "Initialize"] {
        let message = request(method, Said::Nothing, Said::Nothing);
        assert_eq!(recognise(header("2099-01-01"), &message), unsupported, "{method}");
        let notification = Statement { is_request: false, ..message };
        assert_eq!(recognise(header("2099-01-01"), &notification), unsupported, "{method}");
    }
    assert_eq!(recognise(header("2099-01-01"), &Statement::default()), unsupported);
}

#[test]
fn a_stateless_request_says_the_same_twice() {
    let said = |meta| request("tools/call", Said::Nothing, Said::Text(meta));
    assert_eq!(recognise(header("2026-07-28"), &said("2026-07-28")), Ok(Recognised::Known(STATELESS)));
    assert_eq!(recognise(VersionHeader::Absent, &said("2026-07-28")), Err(Unrecognised::HeaderMissing));
    for other in ["2025-11-25", "2099-01-01", "2026-07-28x"] {
        assert_eq!(recognise(header(other), &said("2026-07-28")), Err(Unrecognised::Mismatch), "{other}");
        assert_eq!(recognise(header("2026-07-28"), &said(other)), Err(Unrecognised::Mismatch), "{other}");
    }
    let discover = request("server/discover", Said::Nothing, Said::Text("2099-01-01"));
    let unsupported = Err(Unrecognised::Unsupported { requested: "2099-01-01" });
    assert_eq!(recognise(header("2099-01-01"), &discover), unsupported);
    assert_eq!(recognise(VersionHeader::Absent, &discover), unsupported);
    let not_text = request("tools/call", Said::Nothing, Said::NotText);
    assert_eq!(recognise(header("2026-07-28"), &not_text), Err(Unrecognised::InvalidMeta));
}

#[test]
fn a_notification_needs_no_header() {
    let message =
        Statement { is_request: false, ..request("notifications/x", Said::Nothing, Said::Text("2026-07-28")) };
    assert_eq!(recognise(VersionHeader::Absent, &message), Ok(Recognised::Known(STATELESS)));
    assert_eq!(recognise(header("2025-11-25"), &message), Err(Unrecognised::Mismatch));
}

#[test]
fn an_unreadable_header_decides_alone() {
    let initialize = request("initialize", Said::Text("2025-11-25"), Said::Nothing);
    assert_eq!(recognise(VersionHeader::Repeated, &initialize), Err(Unrecognised::HeaderRepeated));
    assert_eq!(recognise(VersionHeader::Malformed, &initialize), Err(Unrecognised::HeaderMalformed));
}
