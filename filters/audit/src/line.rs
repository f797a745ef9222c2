//! A record as a line, within its bound.

use crate::record::{Principal, Record};
use crate::text::to_ascii;
use crate::write;

/// Takes a field out of a record; whether it was there.
type Cut = (&'static str, fn(&mut Record) -> bool);

/// What goes first where a record is too long. What is left without all of these fits in any bound a configuration can set.
const CUTS: [Cut; 15] = [
    ("result", |record| record.result.take().is_some()),
    ("arguments", |record| record.arguments.take().is_some()),
    ("rulings", |record| !std::mem::take(&mut record.rulings).is_empty()),
    ("client", |record| record.client.take().is_some()),
    ("principal.claims", |record| !std::mem::take(&mut record.principal.claims).is_empty()),
    ("resources", |record| !std::mem::take(&mut record.resources).is_empty()),
    ("endpoint", |record| record.endpoint.take().is_some()),
    ("request_id", |record| record.request_id.take().is_some()),
    ("session", |record| record.session.take().is_some()),
    ("id", |record| record.id.take().is_some()),
    ("prompt", |record| record.prompt.take().is_some()),
    ("principal", |record| std::mem::take(&mut record.principal) != Principal::default()),
    ("tool", |record| record.tool.take().is_some()),
    ("method", |record| record.method.take().is_some()),
    ("rule", |record| record.rule.take().is_some()),
];

/// A record as JSON, with what is JSON already.
fn written(record: &Record) -> Vec<u8> {
    let mut line = write::record(record);
    for (name, json) in [("arguments", &record.arguments), ("result", &record.result)] {
        if let Some(json) = json {
            line.pop();
            for letters in [",\"", name, "\":", json, "}"] {
                line.extend_from_slice(letters.as_bytes());
            }
        }
    }
    to_ascii(line)
}

/// The line of a record, at most `max` bytes long: fields are left out, and named in `cut`, until it fits.
#[must_use]
pub(crate) fn line(mut record: Record, max: usize) -> Vec<u8> {
    let mut line = written(&record);
    for (name, cut) in CUTS {
        if line.len() <= max {
            break;
        }
        if cut(&mut record) {
            if !record.cut.contains(&name) {
                record.cut.push(name);
            }
            line = written(&record);
        }
    }
    line
}
