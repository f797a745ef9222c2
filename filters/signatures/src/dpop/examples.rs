//! The examples of RFC 9449, section by section, by the numbers of its figures.

use super::tests::{FIGURE_2, FIGURE_12, JKT, TOKEN};
use super::*;
use serde_json::json;

/// Section 5: a proof for a token request with a refresh token.
const FIGURE_6: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA";
/// Section 6.1: a token that is bound to the key of all these proofs.
const FIGURE_7: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IkJlQUxrYiJ9.eyJzdWIiOiJzb21lb25lQGV4YW1wbGUuY29tIiwiaXNzIjoiaHR0cHM6Ly9zZXJ2ZXIuZXhhbXBsZS5jb20iLCJuYmYiOjE1NjIyNjI2MTEsImV4cCI6MTU2MjI2NjIxNiwiY25mIjp7ImprdCI6IjBaY09DT1JaTll5LURXcHFxMzBqWnlKR0hUTjBkMkhnbEJWM3VpZ3VBNEkifX0.3Tyo8VTcn6u_PboUmAOYUY1kfAavomW_YwYMkmRNizLJoQzWy2fCo79Zi5yObpIzjWb5xW4OGld7ESZrh0fsrA";

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn header() -> Value {
    json!({
        "typ": "dpop+jwt",
        "alg": "ES256",
        "jwk": {
            "kty": "EC",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
            "crv": "P-256",
        },
    })
}

/// Sections 4.1, 4.2, 5 and 7.1.
#[test]
fn proofs_say_what_the_figures_show_and_are_signed_with_their_key() {
    let token_request = |iat: u64| {
        json!({
            "jti": "-BwC3ESc6acc2lTc", "htm": "POST", "htu": "https://server.example.com/token", "iat": iat,
        })
    };
    let figure_13 = json!({
        "jti": "e1j3V_bKic8-LAEB",
        "htm": "GET",
        "htu": "https://resource.example.org/protectedresource",
        "iat": 1_562_262_618,
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
    });
    for (proof, claims) in
        [(FIGURE_2, token_request(1_562_262_616)), (FIGURE_6, token_request(1_562_265_296)), (FIGURE_12, figure_13)]
    {
        let parts: Vec<_> = proof.split('.').collect();
        assert_eq!((decoded(parts[0]), decoded(parts[1])), (header(), claims));
        let jws = Jws::read(proof.as_bytes()).unwrap();
        assert_eq!(jws.key.thumbprint().as_deref(), Some(JKT));
        let key = jws.key.public_key().unwrap();
        assert!(key.verifies_jws(JwsAlgorithm::Es256, jws.signed, &jws.signature));
        assert!(!key.verifies_jws(JwsAlgorithm::Es256, &jws.signed[1..], &jws.signature));
    }
    assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN)), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

/// Section 6.1, figures 7 and 8.
#[test]
fn a_token_is_bound_to_the_key_of_the_proofs() {
    let claims = decoded(FIGURE_7.split('.').nth(1).unwrap());
    assert_eq!(
        claims,
        json!({
            "sub": "someone@example.com",
            "iss": "https://server.example.com",
            "nbf": 1_562_262_611,
            "exp": 1_562_266_216,
            "cnf": {"jkt": JKT},
        })
    );
    // The token itself is no proof, whatever it is bound to.
    assert!(Jws::read(FIGURE_7.as_bytes()).is_none());
}

/// Section 8, figure 20: for an authorization server, so that it has no `ath`.
#[test]
fn a_proof_may_have_a_nonce() {
    let mut claims = json!({
        "jti": "-BwC3ESc6acc2lTc",
        "htm": "POST",
        "htu": "https://server.example.com/token",
        "iat": 1_562_262_616,
        "nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v",
    });
    assert!(Claims::read(claims.to_string().as_bytes()).is_none());
    claims["ath"] = json!("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    let read = Claims::read(claims.to_string().as_bytes()).unwrap();
    assert_eq!(read.nonce.as_deref(), Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"));
}
