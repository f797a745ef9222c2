//! Pages of the servers that tests start: administration, metrics, interfaces for queries.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use ureq::Agent;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a page.
const LIMIT: u64 = 256 << 20;

/// The page at a path, with its query.
///
/// # Errors
/// When there is no answer with 200.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let (status, page) = get_any(address, path)?;
    ensure!(status == 200, "{path}: {status}: {page}");
    Ok(page)
}

/// The page at a path, with its query, and the status of the answer.
///
/// # Errors
/// When there is no answer.
pub fn get_any(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).proxy(None);
    let agent: Agent = agent.build().into();
    let mut answer = agent.get(format!("http://{address}{path}")).call()?;
    let page = answer.body_mut().with_config().limit(LIMIT).lossy_utf8(true).read_to_string()?;
    Ok((answer.status().as_u16(), page))
}
