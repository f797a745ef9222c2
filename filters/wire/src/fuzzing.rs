//! What the fuzz targets run: each takes any bytes and breaks a promise with a panic, if there is one to break.
//!
//! They live here so that a plain test runs them too, on the seeds; see `fuzz/`.

use crate::annotations;
use crate::limits::Limits;
use crate::listing::{Listing, input_requests, kinds_by_shape};
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

/// What is left of a list when some of its entries are removed lists the others, and no more.
pub fn listing(data: &[u8]) {
    let mut reader = Reader::new(LIMITS);
    let Ok(Body::One(message)) = reader.read(data) else { return };
    let (text, Some(result)) = (message.text(), message.result()) else { return };
    for kind in kinds_by_shape(text, result).unwrap_or_default() {
        let Ok(listing) = Listing::read(text, result, kind) else { continue };
        let (kept, gone): (Vec<_>, Vec<_>) = listing.entries.iter().partition(|entry| entry.name.len() % 2 == 0);
        let kept: Vec<_> = kept.into_iter().map(|entry| (entry.span.of(text), &entry.name)).collect();
        let mut splices = Splices::default();
        gone.iter().for_each(|entry| splices.remove_element(entry.span));
        gone.iter().filter_map(|entry| entry.input_schema).for_each(|schema| splices.replace(schema, b"?".to_vec()));
        let edited = splices.apply(text.as_bytes());
        let second = edited.as_ref().ok().and_then(|edited| reader.read(edited).ok());
        let Some(Body::One(second)) = second else { unreadable(text) };
        let again = second.result().map(|result| Listing::read(second.text(), result, kind));
        let Some(Ok(again)) = again else { unreadable(text) };
        assert!(again.entries.iter().map(|entry| (entry.span.of(second.text()), &entry.name)).eq(kept));
    }
    for question in input_requests(text, result).unwrap_or_default() {
        assert!(question.member.span().of(text).starts_with('"') && question.member.value.of(text).ends_with('}'));
    }
}

#[expect(clippy::panic, reason = "a promise is broken")]
fn unreadable(text: &str) -> ! {
    panic!("does not read when edited: {text}")
}

/// Annotations of a schema that reads are bounded tokens, and differ; their values are found in any arguments.
pub fn annotations(data: &[u8]) {
    let mut reader = Reader::new(LIMITS);
    let Ok(Body::One(message)) = reader.read(data) else { return };
    let (text, Some(params)) = (message.text(), message.params()) else { return };
    let Ok(found) = annotations::read(text, params) else { return };
    assert!(found.len() <= annotations::MAX_ANNOTATIONS);
    let values = annotations::arguments_at(text, params, &found);
    assert_eq!(values.len(), found.len());
    for (annotation, value) in found.iter().zip(values) {
        assert!((1..=annotations::MAX_NAME_BYTES).contains(&annotation.header.len()) && annotation.header.is_ascii());
        assert_eq!(annotations::argument_at(text, params, &annotation.path), value);
        assert_eq!(found.iter().filter(|other| other.header.eq_ignore_ascii_case(&annotation.header)).count(), 1);
    }
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
        exercise("listing", listing);
        exercise("annotations", annotations);
        exercise("sse", sse);
    }

    proptest! {
        #[test]
        fn random_bytes_keep_the_promises(data in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&data);
            splice(&data);
            listing(&data);
            annotations(&data);
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
