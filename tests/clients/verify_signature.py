"""Verifies the signature of a request with another implementation than ours.

Reads `{method, url, headers: [[name, value]], body, keys: {keyid: PEM}}` from standard input, and writes what the signature says of itself.
"""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, keys):
        self.keys = keys

    def resolve_public_key(self, key_id):
        return load_pem_public_key(self.keys[key_id].encode())


class Request:
    def __init__(self, method, url, headers):
        self.method, self.url, self.headers = method, url, headers


asked = json.load(sys.stdin)
request = Request(asked["method"], asked["url"], dict(asked["headers"]))
verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys(asked["keys"]))
results = verifier.verify(request, body=asked["body"].encode() if asked["body"] else None)
json.dump(
    [{"covered": list(result.covered_components), "parameters": dict(result.parameters)} for result in results],
    sys.stdout,
    default=str,
)
