//! Which server: catalogues of different servers never mix.

use std::hash::{DefaultHasher, Hash, Hasher};

use meshward_engine::{Host, KeptHeaders};

/// A server as a proxy knows it. Made of what the operator configured, never of what a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(u128);

impl ServerKey {
    /// The server behind an upstream cluster (Envoy: the property `xds.cluster_name`, as the host gives its bytes) that
    /// is reached at an endpoint's path, as it is configured.
    #[must_use]
    pub fn new(cluster: &[u8], endpoint: &str) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, cluster, endpoint).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        Self(half(0) << 64 | half(1))
    }

    /// The server behind an exchange, whose request's path is an endpoint.
    #[must_use]
    pub fn behind(host: &dyn Host, headers: &KeptHeaders) -> Self {
        Self::new(&host.property(&["xds", "cluster_name"]).unwrap_or_default(), headers.path())
    }

    /// The same for the same server, in every worker.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    pub(crate) const fn to_bits(self) -> u128 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_tells_servers_apart() {
        let keys = [("a", "/mcp"), ("b", "/mcp"), ("a", "/mcp2"), ("a/", "mcp"), ("", "a/mcp"), ("a/mcp", "")]
            .map(|(cluster, endpoint)| ServerKey::new(cluster.as_bytes(), endpoint));
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
        assert_eq!(ServerKey::new(b"a", "/mcp"), keys[0]);
    }
}
