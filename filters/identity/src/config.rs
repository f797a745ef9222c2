//! The `identity` section of the configuration, as it is written.

use serde::Deserialize;

/// The name under which Envoy's JWT filter leaves what it verified.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// Where it is read who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The peer's name (SPIFFE id). By default the first URI in the client certificate of the connection.
    pub peer: PeerConfig,
    /// The caller's address. By default the one the connection comes from.
    pub source: SourceConfig,
    /// The payload of the verified token.
    pub jwt: JwtConfig,
    /// Request headers that only a trusted hop can set, and rules may therefore look at as who the caller is.
    pub trusted_headers: Vec<String>,
}

/// Where the peer's name is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PeerConfig {
    /// The key of a text in the filter state that is read instead, such as `io.istio.peer_principal` in an Istio waypoint.
    pub filter_state: Option<String>,
}

/// Where the caller's address is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// The key of a text in the filter state that is read instead: an address with or without its port.
    pub filter_state: Option<String>,
    /// Believe an address that the host took from a request header (`x-forwarded-for`). Only where the host is set up so that a
    /// client cannot choose it; without this such a caller has no address.
    pub forwarded: bool,
}

/// Where the verified token's payload is in the dynamic metadata.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct JwtConfig {
    /// The namespace that the verifying filter writes to.
    pub metadata: String,
    /// The key in it: `payload_in_metadata` of Envoy's filter, `payload` in Istio. By default the only object there; where
    /// there are several and none is named, the caller has no claims.
    pub payload: Option<String>,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self { metadata: JWT_AUTHN.to_owned(), payload: None }
    }
}

impl IdentityConfig {
    /// What the types cannot say: each fault with its path below `identity` and a remedy.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |path: String, message: &str| faults.push((path, message.to_owned()));
        let places =
            [("peer.filter_state", &self.peer.filter_state), ("source.filter_state", &self.source.filter_state)];
        for (path, place) in places {
            if place.as_deref().is_some_and(unspeakable) {
                fault(path.to_owned(), "name the object in the filter state, such as `io.istio.peer_principal`");
            }
        }
        if self.source.forwarded && self.source.filter_state.is_some() {
            fault(
                "source.forwarded".to_owned(),
                "this is about the host's own address: leave it out beside `filter_state`",
            );
        }
        if unspeakable(&self.jwt.metadata) {
            fault("jwt.metadata".to_owned(), "name the namespace, such as `envoy.filters.http.jwt_authn`");
        }
        if self.jwt.payload.as_deref().is_some_and(unspeakable) {
            fault("jwt.payload".to_owned(), "name the key, or leave it out where there is only one");
        }
        for (index, name) in self.trusted_headers.iter().enumerate() {
            let path = format!("trusted_headers[{index}]");
            if !is_field_name(name) {
                fault(path, "this is no name of a header field (RFC 9110, section 5.1): `x-user`");
            } else if self.trusted_headers.iter().take(index).any(|earlier| earlier.eq_ignore_ascii_case(name)) {
                fault(path, "this header is named twice");
            }
        }
        faults
    }
}

/// A NUL parts the steps of a property's path, so no step can have one.
fn unspeakable(name: &str) -> bool {
    name.is_empty() || name.contains('\0')
}

/// A token (RFC 9110, section 5.6.2).
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: Value) -> Result<IdentityConfig, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_section_is_envoys_own_filter() {
        let config = read(json!({})).unwrap();
        assert_eq!(config, IdentityConfig::default());
        assert_eq!(config.jwt, JwtConfig { metadata: "envoy.filters.http.jwt_authn".to_owned(), payload: None });
        assert_eq!(read(json!({"jwt": {"payload": "p"}})).unwrap().jwt.metadata, config.jwt.metadata);
    }

    #[test]
    fn unknown_members_are_refused() {
        for faulty in [
            json!({"jwt_metadata": "x"}),
            json!({"jwt": {"payloads": "x"}}),
            json!({"peer": {"filter_state": "x", "and": 1}}),
            json!({"source": {"forwarded": "yes"}}),
        ] {
            assert!(read(faulty.clone()).is_err(), "{faulty}");
        }
    }

    #[test]
    fn faults_come_with_their_path() {
        let config = read(json!({
            "peer": {"filter_state": ""},
            "source": {"filter_state": "a\u{0}b", "forwarded": true},
            "jwt": {"metadata": "", "payload": ""},
            "trusted_headers": ["x-user", "X-User", "", ":path", "x user", "x-role"],
        }));
        let paths: Vec<_> = config.unwrap().faults().into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "peer.filter_state",
                "source.filter_state",
                "source.forwarded",
                "jwt.metadata",
                "jwt.payload",
                "trusted_headers[1]",
                "trusted_headers[2]",
                "trusted_headers[3]",
                "trusted_headers[4]",
            ]
        );
        for sound in [
            json!({"peer": {"filter_state": "io.istio.peer_principal"}, "trusted_headers": ["x-user"]}),
            json!({"source": {"forwarded": true}}),
            json!({"source": {"filter_state": "direct"}}),
        ] {
            assert_eq!(read(sound).unwrap().faults(), []);
        }
    }
}
