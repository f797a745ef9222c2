"""The client under test of the conformance suite's scenarios `auth/dpop` and `auth/dpop-nonce`, with whatever stands in front of their server.

    CONFORMANCE_CLIENT='{"meet": "127.0.0.1:1234", "fault": null, "nonces": true}' python conformance_dpop.py http://localhost:8000/mcp

It tells `meet` the server's URL, and gets an address to connect to in its place. A client without a fault does all there, with the official SDK;
one with a fault (see `proofs`) sends one request with it and one without there, prints what came of them, and shows the first to the suite's
server itself, which says what it thinks of it.
"""

import asyncio
import hashlib
import json
import os
import secrets
import socket
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

import dpop

REDIRECT = "http://127.0.0.1:9/callback"
# The first kind of request that a client makes: with a list in it, which a server without sessions answers as well.
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


def meet(where, server):
    """Where to connect to in place of the server."""
    with socket.create_connection(split(where), timeout=30) as stream:
        stream.sendall(f"{server}\n".encode())
        return split(stream.makefile().readline().strip())


def split(authority):
    host, port = authority.rsplit(":", 1)
    return host, int(port)


class Through(httpx2.AsyncHTTPTransport):
    """Connects to what stands where the server is. The request stays what it is, as in a mesh; or it gets another `Host`, as from a gateway."""

    def __init__(self, address, renamed):
        super().__init__()
        (self.host, self.port), self.renamed = address, renamed

    async def handle_async_request(self, request):
        headers = request.headers.copy()
        if self.renamed:
            headers["host"] = f"{self.host}:{self.port}"
        url = request.url.copy_with(host=self.host, port=self.port)
        return await super().handle_async_request(
            httpx2.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        )


def web(server, address, auth=None, renamed=False):
    """What leads to the server leads through the address; everything else is where it says."""
    parts = urlsplit(server)
    through = {f"{parts.scheme}://{parts.netloc}": Through(address, renamed)}
    return httpx2.AsyncClient(auth=auth, timeout=30, mounts=through, trust_env=False)


async def access_token(http, server, key, proves):
    """A token for the server: discovery as it tells it, registration, a code, and a token that is bound to the key."""
    challenge = (await http.post(server, json=LIST)).headers["www-authenticate"]
    metadata = challenge.split('resource_metadata="')[1].split('"')[0]
    resource = (await http.get(metadata)).json()
    issuer = resource["authorization_servers"][0]
    issuer = (await http.get(f"{issuer}/.well-known/oauth-authorization-server")).json()
    registration = {"client_name": "meshward", "redirect_uris": [REDIRECT], "application_type": "native"}
    client = (await http.post(issuer["registration_endpoint"], json=registration)).json()["client_id"]
    verifier = secrets.token_urlsafe(32)
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": REDIRECT,
        "state": secrets.token_urlsafe(16),
        "resource": resource["resource"],
        "code_challenge": dpop.b64(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    redirect = parse_qs(urlsplit((await http.get(issuer["authorization_endpoint"], params=asked)).headers["location"]).query)
    if redirect["state"] != [asked["state"]] or redirect["iss"] != [issuer["issuer"]]:
        raise SystemExit(f"another's answer: {redirect}")
    form = {
        "grant_type": "authorization_code",
        "code": redirect["code"][0],
        "redirect_uri": REDIRECT,
        "client_id": client,
        "code_verifier": verifier,
        "resource": resource["resource"],
    }

    async def ask(nonce=None):
        url = issuer["token_endpoint"]
        proof = {"dpop": dpop.prove(None, key, "POST", url, nonce)} if proves else {}
        return await http.post(url, data=form, headers=proof)

    answer = await ask()
    if answer.status_code == 400 and answer.json()["error"] == "use_dpop_nonce":
        answer = await ask(answer.headers["dpop-nonce"])
    return answer.raise_for_status().json()["access_token"]


async def session(server, address, auth):
    """What the suite wants of a client: it connects, lists tools and calls one."""
    # Half the time that a client with a fault, which needs none of it, would take.
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    stateless = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] >= "2026"
    async with web(server, address, auth, renamed=True) as http:
        mode = "2026-07-28" if stateless else "legacy"
        async with Client(streamable_http_client(server, http_client=http), mode=mode) as client:
            await client.list_tools()
            await client.call_tool("test-tool", {})


def private(key):
    return ECAlgorithm.to_jwk(key, as_dict=True)


def tampered(proof):
    head, signature = proof.rsplit(".", 1)
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


# What is wrong: (header, claims, key) -> what the proof is made of, by PyJWT, which makes none of them by itself.
FAULTS = {
    "typ": lambda header, claims: header.update(typ="jwt"),
    "private-key": lambda header, claims: header.update(jwk=header["private"]),
    "no-key": lambda header, claims: header.pop("jwk"),
    "no-jti": lambda header, claims: claims.pop("jti"),
    "htm": lambda header, claims: claims.update(htm="GET"),
    "htu": lambda header, claims: claims.update(htu="https://elsewhere.example.com/mcp"),
    "no-htu": lambda header, claims: claims.pop("htu"),
    "stale": lambda header, claims: claims.update(iat=claims["iat"] - 3600),
    "future": lambda header, claims: claims.update(iat=claims["iat"] + 3600),
    "no-iat": lambda header, claims: claims.pop("iat"),
    "ath": lambda header, claims: claims.update(ath="not-the-token-hash"),
    "no-ath": lambda header, claims: claims.pop("ath"),
    "htu-slash": lambda header, claims: claims.update(htu=claims["htu"] + "/"),
    "htu-query": lambda header, claims: claims.update(htu=claims["htu"] + "?x=1"),
    "htu-fragment": lambda header, claims: claims.update(htu=claims["htu"] + "#x"),
}


def proofs(fault, token, key, server):
    """What stands in the field `DPoP`, line by line."""
    if fault == "foreign-key":
        key = ec.generate_private_key(ec.SECP256R1())
    sound = dpop.prove(token, key, "POST", server)
    header = jwt.get_unverified_header(sound) | {"private": private(key)}
    claims = jwt.decode(sound, options={"verify_signature": False})
    if change := FAULTS.get(fault):
        change(header, claims)
    header.pop("private")
    header.pop("alg")

    def signed(key, algorithm):
        return jwt.encode(claims, key, algorithm=algorithm, headers=header)

    match fault:
        case "no-proof":
            return []
        case "not-a-jwt":
            return ["this-is-not-a-jwt"]
        case "two-proofs":
            return [signed(key, "ES256")] * 2
        case "symmetric":
            return [signed(secrets.token_bytes(32), "HS256")]
        case "unsigned":
            return [signed(None, "none")]
        case "tampered":
            return [tampered(signed(key, "ES256"))]
        case _:
            return [signed(key, "ES256")]


async def faulty(server, address, token, key, fault):
    async def send(http, lines, scheme="DPoP"):
        head = [("accept", "application/json, text/event-stream"), ("mcp-protocol-version", "2025-11-25")]
        head += [("authorization", f"{scheme} {token}")] + [("dpop", line) for line in lines]
        answer = await http.post(server, json=LIST, headers=head)
        told = answer.json() if answer.headers.get("content-type") == "application/json" else {}
        error = told.get("error") or {}
        reason = error.get("data", {}).get("reason") if isinstance(error, dict) else None
        return {
            "status": answer.status_code,
            "reason": reason,
            "challenge": answer.headers.get("www-authenticate"),
        }

    lines = proofs(fault, token, key, server)
    scheme = "Bearer" if fault == "bearer" else "DPoP"
    async with web(server, address) as proxied, web(server, split(urlsplit(server).netloc)) as direct:
        times = 2 if fault == "replay" else 1
        for _ in range(times):
            refused = await send(proxied, lines, scheme)
        sound = await send(proxied, proofs(None, token, key, server))
        for _ in range(times):
            await send(direct, lines, scheme)
    print(json.dumps({"refused": refused, "sound": sound}))


async def main(server, meet_at, fault, nonces):
    address = meet(meet_at, server)
    key = ec.generate_private_key(ec.SECP256R1())
    async with web(server, split(urlsplit(server).netloc) if fault else address) as http:
        token = await access_token(http, server, key, proves=fault != "no-token-proof")
    if fault:
        await faulty(server, address, token, key, fault)
    else:
        await session(server, address, dpop.Bound(token, key, nonces))


plan = json.loads(os.environ["CONFORMANCE_CLIENT"])
asyncio.run(main(sys.argv[1], plan["meet"], plan["fault"], plan["nonces"]))
