"""Tokens that are bound to a key, and proofs of it (RFC 9449), with PyJWT: another implementation than ours.

    python dpop.py issue                                              {"jwks", "issuer", "token", "key"}: of an issuer that is new each time
    python dpop.py prove '{"token", "key", "method", "url"}'          a proof for one request
"""

import base64
import hashlib
import json
import sys
import time
import uuid

import httpx2
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public(key):
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


def thumbprint(jwk):
    """RFC 7638."""
    required = {name: jwk[name] for name in sorted(("crv", "kty", "x", "y"))}
    return b64(hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest())


def issue():
    issuer, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    claims = {
        "iss": "https://issuer.example",
        "sub": "alice",
        "exp": int(time.time()) + 3600,
        "cnf": {"jkt": thumbprint(public(key))},
    }
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    jwks = {"keys": [public(issuer) | {"kid": "issuer", "alg": "ES256"}]}
    return {
        "jwks": jwks,
        "issuer": ECAlgorithm.to_jwk(issuer, as_dict=True),
        "token": jwt.encode(claims, issuer, algorithm="ES256", headers={"kid": "issuer"}),
        "key": pem.decode(),
    }


def prove(token, key, method, url, nonce=None):
    """A proof; without a token it is one for the request that asks for it (section 5)."""
    claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": url.split("?")[0], "iat": int(time.time())}
    if token:
        claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
    if nonce:
        claims["nonce"] = nonce
    return jwt.encode(claims, key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": public(key)})


class Bound(httpx2.Auth):
    """Sends the token with a proof, and does what a challenge asks for: once for each request."""

    def __init__(self, token, key, nonces=True):
        self.token = token
        self.key = serialization.load_pem_private_key(key.encode(), None) if isinstance(key, str) else key
        self.nonces = nonces
        self.nonce = None

    def sign(self, request):
        request.headers["authorization"] = f"DPoP {self.token}"
        request.headers["dpop"] = prove(self.token, self.key, request.method, str(request.url), self.nonce)

    def auth_flow(self, request):
        self.sign(request)
        response = yield request
        challenged = "use_dpop_nonce" in response.headers.get("www-authenticate", "")
        self.nonce = response.headers.get("dpop-nonce", self.nonce)
        if response.status_code == 401 and challenged and self.nonces:
            self.sign(request)
            response = yield request
            self.nonce = response.headers.get("dpop-nonce", self.nonce)


if __name__ == "__main__":
    if sys.argv[1] == "issue":
        print(json.dumps(issue()))
    else:
        asked = json.loads(sys.argv[2])
        key = serialization.load_pem_private_key(asked["key"].encode(), None)
        print(prove(asked["token"], key, asked["method"], asked["url"]))
