//! The catalogue in the shared store: fixed slots, whatever a server lists.
//!
//! ```text
//! meshward/catalogue              the directory: which servers, each with its slot and generation
//! meshward/catalogue/0            the index of slot 0: which tools, and where
//! meshward/catalogue/0/3          the fourth segment of slot 0: names and schemas
//! ```
//!
//! The store has no deletion and no expiry, so the keys are few and their sizes bounded: at most `max_servers` slots, an
//! index of at most `max_tools` entries, and segments of 256 KiB up to `max_bytes` together. What is full takes no more
//! until the server's catalogue begins anew; of more servers than slots, the one that changed longest ago makes room.
//!
//! A writer first takes places for its definitions by writing the index over the version it has read, then fills them,
//! then raises the generation in the directory. Who loses a race reads again. So places never overlap, and a definition
//! is believed only if its digest is the one in the index: half-done work of another worker is as good as not there.
//! What the server no longer vouches for goes by one write of the directory, which makes all that is older void.

mod codec;
mod directory;
mod index;
mod segment;
mod worker;

pub(crate) use self::directory::MAX_SERVERS;
pub(crate) use self::index::{MAX_TOOLS, SEGMENT_BYTES};
pub use self::worker::Learned;
pub(crate) use self::worker::{AsOf, Found, Page, Worker};

const DIRECTORY: &str = "meshward/catalogue";

fn index_key(slot: usize) -> String {
    format!("{DIRECTORY}/{slot}")
}

fn segment_key(slot: usize, segment: u16) -> String {
    format!("{DIRECTORY}/{slot}/{segment}")
}
