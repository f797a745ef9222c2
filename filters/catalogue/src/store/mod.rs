//! The catalogue in the shared store: fixed slots, whatever a server lists.
//!
//! ```text
//! meshward/tools              the directory: which servers, each with its slot and generation
//! meshward/tools/0            the index of slot 0: which tools, what was approved of them, and where their schemas are
//! meshward/tools/0/3          the fourth segment of slot 0: names and schemas
//! ```
//!
//! The store has no deletion and no expiry, so the keys are few and their sizes bounded: at most `max_servers` slots, an
//! index of at most `max_tools` entries, and segments of 256 KiB up to `max_bytes` together. What is full takes no more
//! schemas until the server's list changes, and no more approvals. Of more servers than slots, the one that changed longest ago makes
//! room, but none with approvals: a server that nobody remembers would be trusted anew, whatever it lists by then.
//!
//! A writer first takes places for its schemas by writing the index over the version it has read, then fills them,
//! then raises the generation in the directory. Who loses a race reads again. So places never overlap, and a schema
//! is believed only if its digest is the one in the index: half-done work of another worker is as good as not there.
//! What the server no longer vouches for goes by one write of the directory, which makes void what is older, but not what was
//! approved: whoever reads the index next leaves that.

mod codec;
mod directory;
mod index;
mod segment;
mod worker;

pub(crate) use self::directory::MAX_SERVERS;
pub(crate) use self::index::{Listed, MAX_TOOLS, SEGMENT_BYTES};
pub use self::worker::Learned;
pub(crate) use self::worker::{AsOf, Bounds, Found, Page, Worker};

const DIRECTORY: &str = "meshward/tools";

fn index_key(slot: usize) -> String {
    format!("{DIRECTORY}/{slot}")
}

fn segment_key(slot: usize, segment: u16) -> String {
    format!("{DIRECTORY}/{slot}/{segment}")
}
