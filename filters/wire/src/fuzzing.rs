//! What the fuzz targets run: each takes any bytes and breaks a promise with a panic, if there is one to break.
//!
//! They live here so that a plain test runs them too, on the seeds; see `fuzz/`.

use crate::limits::Limits;
use crate::message::{Body, Message, Reader};
use crate::splice::Splices;
use crate::sse::Decoder;

const LIMITS: Limits = Limits { max_bytes: 1 << 16, ..DEFAULT };
const DEFAULT: Limits =
    Limits { max_bytes: 0, max_depth: 32, max_batch: 8, max_id_bytes: 64, max_method_bytes: 64, max_name_bytes: 64 };

/// What is read has its spans inside the body, and reads the same again; no beginning of a message is a message.
pub fn read(data: &[u8]) {
    let mut reader = Reader::new(LIMITS);
    let Ok(Body::One(message)) = reader.read(data) else { return };
    let text = message.text();
    let spans = [message.params(), message.arguments(), message.meta(), message.result(), message.error()];
    for span in spans.into_iter().flatten().chain([message.span()]) {
        assert!(
            text.get(span.start..span.end).is_some_and(|value| value.starts_with(['{', '[', '"']) || !value.is_empty())
        );
    }
    let again = message.span().of(text);
    assert!(matches!(reader.read(again.as_bytes()), Ok(Body::One(second)) if second.method() == message.method()));
    if let Some(beginning) = again.as_bytes().split_last().map(|(_, beginning)| beginning) {
        assert!(reader.read(beginning).is_err());
    }
}

/// An edited message reads, and has what was set.
pub fn splice(data: &[u8]) {
    let mut reader = Reader::new(LIMITS);
    let Ok(Body::One(message)) = reader.read(data) else { return };
    let Some(edited) = edited(&message) else { return };
    let Ok(Body::One(second)) = Reader::new(Limits { max_bytes: usize::MAX, max_depth: 64, ..LIMITS }).read(&edited)
    else {
        assert!(message.method().is_none(), "an edited request does not read");
        return;
    };
    assert!(second.method().is_none() || second.meta_value("traceparent").is_some());
}

fn edited(message: &Message<'_>) -> Option<Vec<u8>> {
    let mut splices = Splices::default();
    splices.set_meta(message, &[("traceparent", "\"00\"")]);
    splices.apply(message.text().as_bytes()).ok()
}

/// The blocks of a stream are the stream, however it is cut; the first byte says where.
pub fn sse(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let cut = usize::from(*cut).min(stream.len());
    let (head, tail) = stream.split_at_checked(cut).unwrap_or((stream, &[]));
    let (whole, cut) = (blocks(&[stream]), blocks(&[head, tail]));
    assert!(whole.as_ref().is_none_or(|whole| whole.0 == stream));
    assert_eq!(whole, cut);
}

/// The raw bytes of all blocks, and the data of each event; `None` if one was too long.
fn blocks(chunks: &[&[u8]]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut decoder = Decoder::new(256);
    let (mut raw, mut events) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let mut blocks = decoder.feed(chunk);
        while let Some(block) = blocks.next_block().ok()? {
            raw.extend_from_slice(block.raw());
            events.extend(block.data().map(std::borrow::Cow::into_owned));
        }
    }
    if let Some(block) = decoder.finish() {
        raw.extend_from_slice(block.raw());
        events.extend(block.data().map(std::borrow::Cow::into_owned));
    }
    Some((raw, events))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every seed, and every beginning of it.
    fn exercise(target: &str, run: fn(&[u8])) {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let mut count = 0_usize;
        for seed in std::fs::read_dir(&seeds).unwrap_or_else(|e| panic!("{}: {e}", seeds.display())) {
            let seed = std::fs::read(seed.unwrap().path()).unwrap();
            (0..=seed.len()).for_each(|end| run(&seed[..end]));
            count = count.saturating_add(1);
        }
        assert!(count > 0, "no seeds for {target}");
    }

    #[test]
    fn seeds_keep_the_promises() {
        exercise("read", read);
        exercise("splice", splice);
        exercise("sse", sse);
    }

    proptest! {
        #[test]
        fn random_bytes_keep_the_promises(data in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&data);
            splice(&data);
            sse(&data);
        }

        #[test]
        fn random_streams_keep_the_promises(cut: u8, text in "[adt:\\r\\n \\x{feff}]{0,40}") {
            let mut data = vec![cut];
            data.extend_from_slice(text.as_bytes());
            sse(&data);
        }
    }
}
