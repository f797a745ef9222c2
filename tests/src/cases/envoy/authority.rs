//! What proves who a caller is: certificates and tokens, made for one run, and what Envoy must be told to check them.

use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, SanType, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};
use tokio_rustls::TlsConnector;

use crate::cases::caller::{Caller, JWT_AUTHN, JWT_PAYLOAD};
use crate::cases::case::Http;
use crate::cases::dpop;

/// The name in the server's certificate.
pub(super) const SERVER: &str = "cases.test";

/// A certificate authority and a token issuer that Envoy trusts, and an issuer that it does not.
pub(super) struct Authority {
    root: CertificateDer<'static>,
    root_pem: String,
    issuer: Issuer<'static, KeyPair>,
    server: (String, String),
    tokens: KeyPair,
    stranger: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        // Certificates have one name unless told otherwise, and one that is signed under its own name counts as self-signed.
        params.distinguished_name.push(DnType::CommonName, "cases authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let root = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate()?;
        let server = CertificateParams::new([SERVER.to_owned()])?.signed_by(&server_key, &issuer)?;
        Ok(Self {
            root_pem: root.pem(),
            root: root.into(),
            issuer,
            server: (server.pem(), server_key.serialize_pem()),
            tokens: KeyPair::generate_for(&PKCS_ED25519)?,
            stranger: KeyPair::generate_for(&PKCS_ED25519)?,
        })
    }

    /// A client with the caller's certificate.
    pub(super) fn client(&self, caller: &Caller, http: Http) -> Result<TlsConnector> {
        let mut params = CertificateParams::default();
        for peer in caller.peer.iter().chain(&caller.unverified_peer) {
            params.subject_alt_names.push(SanType::URI(peer.as_str().try_into()?));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = match caller.peer {
            Some(_) => params.signed_by(&key, &self.issuer)?,
            None => params.self_signed(&key)?,
        };
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone())?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.into()], key)
            .context("client certificate")?;
        config.alpn_protocols = vec![match http {
            Http::One => b"http/1.1".to_vec(),
            Http::Two => b"h2".to_vec(),
        }];
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// A token (RFC 7519) with an Ed25519 signature (RFC 8037).
    pub(super) fn token(&self, claims: &Map<String, Value>, trusted: bool) -> Result<String> {
        let header = json!({"alg": "EdDSA", "typ": "JWT"});
        let part = |json: &[u8]| URL_SAFE_NO_PAD.encode(json);
        let signed = format!("{}.{}", part(header.to_string().as_bytes()), part(&serde_json::to_vec(claims)?));
        let key = if trusted { &self.tokens } else { &self.stranger };
        let signature = key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", part(&signature)))
    }

    /// The listener's side of TLS. Where it verifies, there is no connection without a certificate that this authority signed;
    /// elsewhere it is told to ask for one, but not what to hold it against.
    pub(super) fn transport_socket(&self, verifies: bool) -> Value {
        let (certificate, key) = &self.server;
        let authorities = verifies.then(|| json!({"trusted_ca": {"inline_string": self.root_pem}}));
        json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": true,
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [
                        {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
                    ],
                    "validation_context": authorities
                }
            }
        })
    }

    /// Envoy's JWT filter. A request without a token that can be verified goes on, without claims. `bound`: tokens may come with the
    /// scheme `DPoP`, and stay in the request.
    pub(super) fn jwt_filter(&self, bound: bool) -> Result<Value> {
        let key = URL_SAFE_NO_PAD.encode(self.tokens.public_key_raw());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": key}, dpop::issuer()?]});
        let from = |prefix: &str| json!({"name": "Authorization", "value_prefix": prefix});
        let locations = if bound { json!([from("DPoP "), from("Bearer ")]) } else { json!([]) };
        Ok(json!({
            "name": JWT_AUTHN,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {
                    "cases": {
                        "local_jwks": {"inline_string": keys.to_string()},
                        "from_headers": locations,
                        "forward": bound,
                        "payload_in_metadata": JWT_PAYLOAD
                    }
                },
                "rules": [{
                    "match": {"prefix": "/"},
                    "requires": {
                        "requires_any": {
                            "requirements": [{"provider_name": "cases"}, {"allow_missing_or_failed": {}}]
                        }
                    }
                }]
            }
        }))
    }
}
