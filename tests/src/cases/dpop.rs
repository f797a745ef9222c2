//! Callers whose access token is bound to a key (DPoP, RFC 9449): the token and the proof, made when the cases are loaded. Every host gets the
//! same ones.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::case::{Field, Request};

/// How a caller sends its token, and proves that it has the key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpop {
    /// The scheme in front of the token.
    pub scheme: String,
    /// The token names its key as `cnf.jkt`.
    pub bound: bool,
    /// Members of the proof's header that are others than usual; `null`: they are not there.
    pub header: Map<String, Value>,
    /// Likewise of its claims.
    pub claims: Map<String, Value>,
    /// The key is another than the one that the token names.
    pub stranger: bool,
    /// The proof is signed with another key than its header has.
    pub forged: bool,
    /// The field lines with proofs, in which `PROOF` stands for the proof.
    pub lines: Vec<String>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            scheme: "DPoP".to_owned(),
            bound: true,
            header: Map::new(),
            claims: Map::new(),
            stranger: false,
            forged: false,
            lines: vec!["PROOF".to_owned()],
        }
    }
}

/// A key of ECDSA over P-256.
struct Key(SigningKey);

impl Key {
    /// The key of a number, from 1 to 255.
    fn new(number: u8) -> Result<Self> {
        Ok(Self(SigningKey::from_slice(&[number; 32]).context("a key")?))
    }

    fn coordinates(&self) -> Result<(String, String)> {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (x, y) =
            point.as_bytes().get(1..).context("a point")?.split_at_checked(32).context("an uncompressed point")?;
        Ok((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
    }

    fn jwk(&self) -> Result<Value> {
        let (x, y) = self.coordinates()?;
        Ok(json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}))
    }

    /// RFC 7638.
    fn thumbprint(&self) -> Result<String> {
        let (x, y) = self.coordinates()?;
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(members)))
    }

    /// A JWS in its compact form.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// Who issues tokens to such callers.
const ISSUER: u8 = 1;
const STRANGER_ISSUER: u8 = 2;
const HOLDER: u8 = 3;
const STRANGER: u8 = 4;

/// The key of who issues tokens, for Envoy.
pub(super) fn issuer() -> Result<Value> {
    Key::new(ISSUER)?.jwk()
}

/// The thumbprint of the key that tokens are bound to.
pub(super) fn holder() -> Result<String> {
    Key::new(HOLDER)?.thumbprint()
}

/// What of an object is another.
fn with(mut object: Value, others: &Map<String, Value>) -> Value {
    if let Value::Object(members) = &mut object {
        for (name, value) in others {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
    }
    object
}

impl Dpop {
    /// The token's claims, as who verifies it sees them.
    pub(super) fn bind(&self, claims: &mut Map<String, Value>) -> Result<()> {
        if self.bound && !claims.contains_key("cnf") {
            claims.insert("cnf".to_owned(), json!({"jkt": Key::new(HOLDER)?.thumbprint()?}));
        }
        Ok(())
    }

    /// What the caller adds to a request. `trusted`: the token comes from an issuer that Envoy trusts. `id`: what the proof's `jti` is by default.
    pub(super) fn fields(
        &self,
        token: Option<(&Map<String, Value>, bool)>,
        request: &Request,
        scheme: &str,
        id: &str,
    ) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        let mut hash = String::new();
        if let Some((claims, trusted)) = token {
            let key = Key::new(if trusted { ISSUER } else { STRANGER_ISSUER })?;
            let token = key.sign(&json!({"alg": "ES256", "typ": "at+jwt"}), &Value::Object(claims.clone()));
            hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&token));
            fields.push(("authorization".to_owned(), format!("{} {token}", self.scheme)));
        }
        let (holder, stranger) = (Key::new(HOLDER)?, Key::new(STRANGER)?);
        let key = if self.stranger { &stranger } else { &holder };
        let header = with(json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk()?}), &self.header);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("clock")?.as_secs();
        let path = request.path.split('?').next().unwrap_or_default();
        let claims = json!({
            "jti": id, "htm": request.method, "htu": format!("{scheme}://cases.test{path}"), "iat": now, "ath": hash,
        });
        let signs = if self.forged != self.stranger { &stranger } else { &holder };
        let proof = signs.sign(&header, &with(claims, &self.claims));
        fields.extend(self.lines.iter().map(|line| ("dpop".to_owned(), line.replace("PROOF", &proof))));
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_the_public_key() {
        // Python's `cryptography` has the point: ec.derive_private_key(int.from_bytes(bytes([3] * 32)), ec.SECP256R1()).
        assert_eq!(Key::new(HOLDER).unwrap().thumbprint().unwrap(), "EzY02lOLYcbnY5z-qyt59-EouE6B2dzqtZugyogVpcM");
    }
}
