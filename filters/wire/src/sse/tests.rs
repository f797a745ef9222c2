use proptest::prelude::*;

use super::*;

const FIXTURES: [&[u8]; 6] = [
    include_bytes!("../../tests/fixtures/sse/python-2025-11-25.sse"),
    include_bytes!("../../tests/fixtures/sse/python-2026-07-28.sse"),
    include_bytes!("../../tests/fixtures/sse/rust-2025-11-25.sse"),
    include_bytes!("../../tests/fixtures/sse/rust-2026-07-28.sse"),
    include_bytes!("../../tests/fixtures/sse/typescript-2025-11-25.sse"),
    include_bytes!("../../tests/fixtures/sse/typescript-2026-07-28.sse"),
];

/// Streams with every peculiarity, each a case of its own.
const STREAMS: [&str; 27] = [
    // The examples of the standard (WHATWG HTML, section 9.2.6).
    "data: YHOO\ndata: +2\ndata: 10\n\n",
    ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
    "data\n\ndata\ndata\n\ndata:",
    "data:test\n\ndata: test\n\n",
    "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
    // Priming, keep-alives and retry.
    "id: abc\nretry: 5000\ndata: \n\ndata: {}\n\n",
    "id: 1\ndata:\n\n",
    ":\r\n:\r\n\r\n: ping - 2026-11-21\r\n\r\ndata: x\r\n\r\n",
    "retry: 10\n\nretry: x\nretry: -1\nretry:\nretry: 20\nretry: 99999999999999999999\ndata\n\n",
    // Line endings, whole, mixed and in a row.
    "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
    "\r\n\r\r\n\n\n\r",
    "data: a\r\n\rdata: b\n\r\n",
    // A byte order mark is one at the very beginning only.
    "\u{feff}data: a\n\n\u{feff}data: b\n\n",
    "\u{feff}\u{feff}data: a\n\n",
    "\u{feff}\n\u{feff}:\n\n",
    "\u{feff}: comment\ndata: a\n\n",
    // Names are exact, and one space goes.
    "Data: a\ndata : b\n data: c\ndatax: d\ndata:  e\ndata:f:g\n\n",
    "event: x\nevent: y\nid: 1\nid: 2\ndata: z\n\n",
    "event:\nid:\ndata:\n\n",
    "id: a\0b\ndata: x\n\n",
    "id: a\nid: b\0\ndata: x\n\n",
    // Characters of two, three and four bytes; line separators that are none here.
    "data: é€𝄞\u{2028}\u{85}\u{b}\u{c}\n\nevent: é\ndata: ü\n\n",
    // Comments within a block.
    "data: a\n: comment\ndata: b\n\n",
    "data: a\ndata:\n\ndata:\ndata: x\n\ndata:\ndata:\n\n",
    // What is no event, and what breaks off.
    "event: x\nid: 1\n\n",
    "data: complete\n\ndata: broken\nid: 1",
    "",
];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    event_type: Option<Vec<u8>>,
    data: Vec<u8>,
    id: Option<Vec<u8>>,
    retry: Option<u64>,
}

impl Seen {
    fn of(block: &Block<'_>) -> Option<Self> {
        Some(Self {
            event_type: block.event_type().map(<[u8]>::to_vec),
            data: block.data()?.into_owned(),
            id: block.id().map(<[u8]>::to_vec),
            retry: block.retry(),
        })
    }
}

/// What a decoder makes of a stream in chunks.
#[derive(Debug, PartialEq, Eq, Default)]
struct Decoded {
    events: Vec<Seen>,
    broken_off: Option<Seen>,
    bytes: Vec<u8>,
}

fn decode<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Decoded {
    let mut decoder = Decoder::new(1 << 20);
    let mut decoded = Decoded::default();
    for chunk in chunks {
        let mut blocks = decoder.feed(chunk);
        while let Some(block) = blocks.next_block().unwrap() {
            assert!(block.is_complete() && !block.raw().is_empty());
            decoded.bytes.extend_from_slice(block.raw());
            decoded.events.extend(Seen::of(&block));
        }
    }
    if let Some(block) = decoder.finish() {
        assert!(!block.is_complete());
        decoded.bytes.extend_from_slice(block.raw());
        decoded.broken_off = Seen::of(&block);
    }
    assert_eq!(decoder.finish(), None);
    decoded
}

/// The standard's algorithm on a whole stream, as plainly as it can be written. The last id is told only where it is said.
fn reference(stream: &[u8]) -> Decoded {
    let text = stream.strip_prefix(BOM).unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut bytes = text.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
    }
    let unfinished = lines.pop().unwrap();
    let mut decoded = Decoded { bytes: stream.to_vec(), ..Decoded::default() };
    let (mut seen, mut data) = (Seen::default(), Vec::new());
    let read = |line: &[u8], seen: &mut Seen, data: &mut Vec<u8>| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon.saturating_add(1)..).unwrap_or_default());
        let value = if value.first() == Some(&b' ') { &value[1..] } else { value };
        match name {
            b"data" => data.extend([value, b"\n"].concat()),
            b"event" => seen.event_type = Some(value.to_vec()).filter(|value| !value.is_empty()),
            b"id" if !value.contains(&0) => seen.id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                seen.retry = String::from_utf8_lossy(value).parse().ok().or(seen.retry);
            }
            _ => {}
        }
    };
    for line in lines {
        if !line.is_empty() {
            read(&line, &mut seen, &mut data);
            continue;
        }
        let (mut event, mut data) = (std::mem::take(&mut seen), std::mem::take(&mut data));
        if data.pop().is_some() {
            event.data = data;
            decoded.events.push(event);
        }
    }
    read(&unfinished, &mut seen, &mut data);
    if data.pop().is_some() {
        decoded.broken_off = Some(Seen { data, ..seen });
    }
    decoded
}

fn streams() -> impl Iterator<Item = &'static [u8]> {
    FIXTURES.into_iter().chain(STREAMS.map(str::as_bytes))
}

#[test]
fn streams_are_read_as_the_standard_says() {
    for stream in streams() {
        assert_eq!(decode([stream]), reference(stream), "{}", String::from_utf8_lossy(stream));
    }
}

#[test]
fn chunks_make_no_difference() {
    for stream in streams() {
        let expected = reference(stream);
        assert_eq!(decode(stream.chunks(1)), expected, "byte by byte: {}", String::from_utf8_lossy(stream));
        for cut in 0..=stream.len() {
            let (before, behind) = stream.split_at(cut);
            let text = String::from_utf8_lossy(stream);
            assert_eq!(decode([before, behind]), expected, "cut at {cut}: {text}");
            assert_eq!(decode([before, &[], behind]), expected, "cut at {cut}, with nothing between: {text}");
        }
    }
}

#[test]
fn the_fixtures_hold_messages() {
    for stream in FIXTURES {
        let events = decode([stream]).events;
        let messages: Vec<serde_json::Value> = events
            .iter()
            .filter(|event| !event.data.is_empty())
            .map(|event| serde_json::from_slice(&event.data).unwrap())
            .collect();
        assert_eq!(messages.len(), 4);
        assert!(messages[..3].iter().all(|message| message["method"] == "notifications/progress"));
        assert_eq!(messages[3]["result"]["content"][0]["type"], "text");
        // The priming event of 2025-11-25.
        assert!(events.len() == 4 || events[0].data.is_empty() && events[0].id.is_some());
    }
}

#[test]
fn the_peculiarities_come_out_as_listed() {
    let events = |stream: &str| decode([stream.as_bytes()]).events;
    let data = |stream| events(stream).into_iter().map(|e| String::from_utf8(e.data).unwrap()).collect::<Vec<_>>();
    assert_eq!(data(STREAMS[0]), ["YHOO\n+2\n10"]);
    assert_eq!(data(STREAMS[1]), ["first event", "second event", " third event"]);
    assert_eq!(events(STREAMS[1])[1].id.as_deref(), Some(&b""[..]));
    assert_eq!(data(STREAMS[2]), ["", "\n"]);
    assert_eq!(data(STREAMS[3]), ["test", "test"]);
    let primed = &events(STREAMS[5])[0];
    assert_eq!((primed.data.as_slice(), primed.id.as_deref(), primed.retry), (&b""[..], Some(&b"abc"[..]), Some(5000)));
    assert_eq!(events(STREAMS[6]), [Seen { id: Some(b"1".to_vec()), ..Seen::default() }]);
    assert_eq!(events(STREAMS[8])[0].retry, Some(20));
    assert_eq!(data(STREAMS[9]), ["a", "b", "c"]);
    assert_eq!(data(STREAMS[12]), ["a"], "the second mark is part of a field's name");
    assert_eq!(data(STREAMS[16]), [" e\nf:g"]);
    assert_eq!(events(STREAMS[19])[0].id, None);
    assert_eq!(events(STREAMS[20])[0].id.as_deref(), Some(&b"a"[..]));
    assert_eq!(data(STREAMS[23]), ["a\n", "\nx", "\n"]);
    assert_eq!(decode([STREAMS[25].as_bytes()]).broken_off.unwrap().data, b"broken");
}

/// What is handed out after each chunk.
fn raw_pieces(chunks: &[&str]) -> Vec<Vec<String>> {
    let mut decoder = Decoder::new(64);
    let mut after_each = Vec::new();
    for chunk in chunks {
        let mut blocks = decoder.feed(chunk.as_bytes());
        let mut pieces = Vec::new();
        while let Some(block) = blocks.next_block().unwrap() {
            pieces.push(String::from_utf8(block.raw().to_vec()).unwrap());
        }
        after_each.push(pieces);
    }
    after_each
}

#[test]
fn nothing_that_is_complete_waits() {
    // A keep-alive is one line, whatever it ends with.
    assert_eq!(raw_pieces(&[":\r\n", ": x\n", ":\r", "\n", "\n"]), [[":\r\n"], [": x\n"], [":\r"], ["\n"], ["\n"]]);
    // A CR that ends a block does not wait for its LF.
    assert_eq!(raw_pieces(&["data: a\r\r", "\ndata: b\n\n"]), [vec!["data: a\r\r"], vec!["\n", "data: b\n\n"]]);
    // A block that has begun does.
    let (none, all) = (Vec::<&str>::new(), vec!["data: a\r\n: b\n\n"]);
    assert_eq!(raw_pieces(&["data: a\r", "\n: b", "\n", "\n"]), [none.clone(), none.clone(), none, all]);
}

#[test]
fn a_block_is_bounded() {
    // The bound counts the bytes before the line ending that ends the block.
    for (block, counted) in
        [("data: 0123\n\n", 11), ("data: 0123\r\n\r\n", 12), (": 012345678\r\n", 11), ("data: 01234", 11)]
    {
        for (max, fits) in [(counted - 1, false), (counted, true), (counted + 1, true)] {
            for size in 1..=block.len() {
                let mut decoder = Decoder::new(max);
                let mut before = decoder.feed(b"data: ok\n\n");
                assert!(before.next_block().unwrap().is_some());
                drop(before);
                let result = block.as_bytes().chunks(size).try_for_each(|chunk| {
                    let mut blocks = decoder.feed(chunk);
                    while blocks.next_block()?.is_some() {}
                    Ok(())
                });
                let expected = if fits { Ok(()) } else { Err(SseError::TooLong) };
                assert_eq!(result, expected, "{block:?} at {max}, by {size}");
                assert!(decoder.held_bytes() <= max);
            }
        }
    }
}

#[test]
fn a_block_that_is_too_long_ends_the_stream() {
    let mut decoder = Decoder::new(8);
    let mut blocks = decoder.feed(b"data: a\n\ndata: too long\n\ndata: b\n\n");
    assert_eq!(blocks.next_block().unwrap().unwrap().raw(), b"data: a\n\n");
    for _ in 0..2 {
        assert_eq!(blocks.next_block(), Err(SseError::TooLong));
    }
    drop(blocks);
    assert_eq!(decoder.feed(b"data: c\n\n").next_block(), Err(SseError::TooLong));
    assert_eq!(decoder.finish(), None);
}

#[test]
fn a_chunk_that_is_given_up_is_an_error_not_a_gap() {
    let mut decoder = Decoder::new(64);
    assert!(decoder.feed(b"data: a\n\ndata: b\n\n").next_block().unwrap().is_some());
    assert_eq!(decoder.feed(b"data: c\n\n").next_block(), Err(SseError::Abandoned));
}

#[test]
fn blocks_within_a_chunk_are_not_copied() {
    let chunk = b"data: a\n\ndata: b\n\n";
    let mut decoder = Decoder::new(64);
    let mut blocks = decoder.feed(chunk);
    while let Some(block) = blocks.next_block().unwrap() {
        assert!(chunk.as_ptr_range().contains(&block.raw().as_ptr()));
    }
    drop(blocks);
    assert_eq!(decoder.held.capacity(), 0);
}

#[test]
fn data_that_is_no_utf8_is_no_text() {
    let text = |stream: &[u8]| {
        let mut decoder = Decoder::new(64);
        let mut blocks = decoder.feed(stream);
        blocks.next_block().unwrap().unwrap().text().map(std::borrow::Cow::into_owned)
    };
    assert_eq!(text("data: é\n\n".as_bytes()).as_deref(), Some("é"));
    assert_eq!(text("data: é\ndata: a\n\n".as_bytes()).as_deref(), Some("é\na"));
    assert_eq!(text("id: \u{e9}\n\n".as_bytes()), None);
    assert_eq!(text(b"id: \xff\ndata: a\n\n").as_deref(), Some("a"), "other fields are of no matter");
    for bytes in [&b"data: \xff\n\n"[..], b"data: \xc3\ndata: \xa9\n\n", b"data: \xed\xa0\x80\n\n"] {
        assert_eq!(text(bytes), None, "{bytes:?}");
    }
}

fn rewrite(stream: &[u8], data: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(1 << 20);
    let mut out = Vec::new();
    let mut blocks = decoder.feed(stream);
    while let Some(block) = blocks.next_block().unwrap() {
        match block.data() {
            Some(_) => block.write_with_data(data, &mut out),
            None => out.extend_from_slice(block.raw()),
        }
    }
    drop(blocks);
    if let Some(block) = decoder.finish() {
        block.write_with_data(data, &mut out);
    }
    out
}

#[test]
fn other_lines_stay_when_data_is_replaced() {
    for (stream, data, expected) in [
        ("data: a\n\n", "b", "data: b\n\n"),
        ("id: 1\r\ndata: a\r\nevent: x\r\n\r\n", "b", "id: 1\r\ndata: b\r\nevent: x\r\n\r\n"),
        (
            "event: e\ndata: a\n: c\ndata: b\nid\nretry: 3\n\n",
            "x\ny",
            "event: e\ndata: x\ndata: y\n: c\nid\nretry: 3\n\n",
        ),
        ("data:a\r\r", "x\r\ny\rz\n", "data: x\rdata: y\rdata: z\rdata: \r\r"),
        ("data: a\rdata: b\n\n", "x", "data: x\r\n\n"),
        ("data: a\nid\rdata: b\n\n", "x", "data: x\nid\r\n\n"),
        ("\u{feff}data: a\n\n", "b", "\u{feff}data: b\n\n"),
        ("data\n\n", "", "data: \n\n"),
        ("data\n\n", " b", "data:  b\n\n"),
        (": k\ndata: a\n\n: k\n\n", "b", ": k\ndata: b\n\n: k\n\n"),
        ("data: broken off", "b", "data: b\n"),
        ("id: broken off", "b", "id: broken off\ndata: b\n"),
    ] {
        assert_eq!(String::from_utf8(rewrite(stream.as_bytes(), data.as_bytes())).unwrap(), expected, "{stream:?}");
    }
}

#[test]
fn data_may_be_written_where_there_was_none() {
    let mut decoder = Decoder::new(64);
    let mut blocks = decoder.feed(b"id: 1\n\n");
    let mut out = b"data: before\n\n".to_vec();
    blocks.next_block().unwrap().unwrap().write_with_data(b"x", &mut out);
    assert_eq!(out, b"data: before\n\nid: 1\ndata: x\n\n");
}

proptest! {
    #[test]
    fn any_stream_in_any_chunks_is_read_as_the_standard_says(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "data", "id", "event", "retry", ":", ": ", "\n", "\r", "\r\n", "\n\n", "\u{feff}", "é", "1", "\0", "x", " ",
            ]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len().max(1)).min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        prop_assert_eq!(decode(chunks), reference(&stream));
    }

    #[test]
    fn replaced_data_reads_back(
        parts in prop::collection::vec(
            prop::sample::select(vec!["data: a", "data", "id: 7", ": c", "event: e", "\n", "\r", "\r\n"]),
            0..20,
        ),
        data in "[a-z\n]{0,12}",
    ) {
        let stream = [parts.concat().as_bytes(), b"\n\n"].concat();
        let before = reference(&stream).events;
        let after = reference(&rewrite(&stream, data.as_bytes())).events;
        let expected: Vec<Seen> =
            before.into_iter().map(|event| Seen { data: data.clone().into_bytes(), ..event }).collect();
        prop_assert_eq!(after, expected);
    }
}

#[test]
fn a_block_is_written_with_another_id_and_nothing_else_is() {
    for (text, id, expected) in [
        ("id: 7\ndata: a\n\n", Some("x"), "id: x\ndata: a\n\n"),
        ("id: 7\ndata: a\n\n", None, "data: a\n\n"),
        ("id:7\r\ndata: a\r\n\r\n", Some("x"), "id: x\r\ndata: a\r\n\r\n"),
        ("id: 7\rdata: a\r\r", Some("x"), "id: x\rdata: a\r\r"),
        ("id: 7\ndata: a\nid: 8\n\n", Some("x"), "data: a\nid: x\n\n"),
        ("id: 7\nid: 8\n\n", None, "\n"),
        ("data: a\rid: 7\n\n", None, "data: a\r\n\n"),
        ("\u{feff}id: 7\n: c\nidx: 1\nevent: e\n\n", Some("x"), "\u{feff}id: x\n: c\nidx: 1\nevent: e\n\n"),
    ] {
        let mut decoder = Decoder::new(100);
        let mut blocks = decoder.feed(text.as_bytes());
        let block = blocks.next_block().unwrap().unwrap();
        assert!(block.resumable_id().is_some(), "{text:?}");
        let mut out = Vec::new();
        block.write_with_id(id.map(str::as_bytes), &mut out);
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected, "{text:?}");
        let again = block.like(&out);
        assert_eq!((again.id(), again.data()), (id.map(str::as_bytes), block.data()), "{text:?}");
    }
}
