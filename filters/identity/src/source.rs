//! Addresses as a host writes them.

use std::net::{IpAddr, SocketAddr};

/// An address, and whether it is that of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) address: IpAddr,
    /// The port is 0. No connection comes from there: Envoy writes it when it took the address from a request header.
    pub(crate) is_forwarded: bool,
}

/// `192.0.2.1:443`, `[2001:db8::1]:443`, or either without its port; an IPv4 address within IPv6 is the IPv4 address. `None`
/// for what is no IP address: a Unix socket, a listener inside the proxy.
pub(crate) fn source(text: &[u8]) -> Option<Source> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, is_forwarded) = match text.parse::<SocketAddr>() {
        Ok(socket) => (socket.ip(), socket.port() == 0),
        Err(_) => (text.parse().ok()?, false),
    };
    Some(Source { address: address.to_canonical(), is_forwarded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port() {
        for (text, address) in [
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[::ffff:192.0.2.1]:443", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:65536", None),
            ("192.0.2.01:443", None),
            ("192.0.2.1, 192.0.2.2", None),
            ("[2001:db8::1]", None),
            ("localhost:443", None),
            ("/run/app.sock", None),
            ("@/run/app.sock", None),
            ("envoy://listener/1", None),
        ] {
            let expected = address.map(|text| Source { address: text.parse().unwrap(), is_forwarded: false });
            assert_eq!(source(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(source(b"192.0.2.1\xff"), None);
    }

    #[test]
    fn port_0_is_no_connection() {
        for text in ["192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:0"] {
            assert!(source(text.as_bytes()).is_some_and(|source| source.is_forwarded), "{text}");
        }
    }
}
