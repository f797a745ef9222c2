//! Addresses as a host writes them.

use std::net::{IpAddr, SocketAddr};

/// `192.0.2.1:443`, `[2001:db8::1]:443`, or either without its port; an IPv4 address within IPv6 is the IPv4 address. `None`
/// for what is no IP address: a Unix socket, a listener inside the proxy.
pub(crate) fn source(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = text.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| text.parse::<IpAddr>());
    address.ok().map(|address| address.to_canonical())
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
            assert_eq!(source(text.as_bytes()), address.map(|text| text.parse().unwrap()), "{text}");
        }
        assert_eq!(source(b"192.0.2.1\xff"), None);
    }
}
