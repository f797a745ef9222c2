//! A client's connection: from the caller's address, with its certificate where it has one.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;

use super::authority::{Authority, SERVER};
use crate::cases::caller::Caller;
use crate::cases::case::Http;

/// Both directions of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects as the caller does.
pub(super) async fn connect(
    address: SocketAddr,
    caller: &Caller,
    http: Http,
    authority: &Authority,
) -> Result<Box<dyn Stream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((caller.source, 0).into()).context("bind")?;
    let stream = socket.connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    if !caller.uses_tls() {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(SERVER)?;
    Ok(Box::new(authority.client(caller, http)?.connect(name, stream).await.context("TLS handshake")?))
}
