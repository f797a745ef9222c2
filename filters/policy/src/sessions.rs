//! The client's name in a session: said once, when the session opens, and kept in the shared store for all workers.

use meshward_engine::{Host, SessionTable};

const TABLE: SessionTable = SessionTable::new("meshward/client/");
/// The longest name that is remembered, in bytes. A client with a longer one is not known after `initialize`.
const LONGEST_NAME: usize = 256;

/// Remembers the client that opened a session.
pub(crate) fn remember(host: &dyn Host, session: &[u8], client: &str) {
    if client.len() <= LONGEST_NAME {
        TABLE.remember(host, session, client.as_bytes());
    }
}

/// The client that opened a session, if that is still known. If it is not, no rule takes that for an allowance.
pub(crate) fn client_of(host: &dyn Host, session: &[u8]) -> Option<String> {
    String::from_utf8(TABLE.recall(host, session)?).ok()
}
