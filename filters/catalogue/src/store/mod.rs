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

use meshward_engine::{Host, StoreError};

pub(crate) use self::directory::MAX_SERVERS;
pub(crate) use self::index::{MAX_TOOLS, SEGMENT_BYTES};
pub use self::worker::Learned;
pub(crate) use self::worker::{AsOf, Found, Page, Worker};

const DIRECTORY: &str = "meshward/catalogue";

/// How often a lost race is run again. Each time another worker has won it.
const ATTEMPTS: usize = 64;

/// A version that no value has: to write over it is to write where there is nothing, and only there.
const NO_VALUE: u32 = u32::MAX;

fn index_key(slot: usize) -> String {
    format!("{DIRECTORY}/{slot}")
}

fn segment_key(slot: usize, segment: u16) -> String {
    format!("{DIRECTORY}/{slot}/{segment}")
}

/// Reads a value, and writes what the function makes of it, until no other worker has written in between. `None` is to
/// leave it as it is.
fn write(
    host: &dyn Host,
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let current = host.store_get(key);
        let value = current.as_ref().map(|(value, _)| value.as_slice());
        let Some(new) = change(value)? else { return Ok(()) };
        match set(host, key, &new, current.map(|(_, version)| version)) {
            Err(StoreError::Changed) => {}
            done => return done,
        }
    }
    Err(StoreError::Changed)
}

/// Writes over a version that was read, or where nothing was.
fn set(host: &dyn Host, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
    host.store_set(key, value, Some(version.unwrap_or(NO_VALUE)))
}
