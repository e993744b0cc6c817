"""An OIDC issuer on loopback: a stand-in for GitHub, GitLab and CircleCI, and for somebody who forges their tokens."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import uuid

AUDIENCE = "tarn-board"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Key:
    """An RSA key (RS256) or one of P-256 (ES256), with its public part as a JWK."""

    def __init__(self, identity="key-1", kind="RS256"):
        from cryptography.hazmat.primitives.asymmetric import ec, rsa  # here: the other rows do without it

        self.identity, self.kind = identity, kind
        if kind == "RS256":
            self.private = rsa.generate_private_key(65537, 2048)
            public = self.private.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())
            public = self.private.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": "P-256", "x": encode(public.x.to_bytes(32, "big")),
                        "y": encode(public.y.to_bytes(32, "big"))}
        self.jwk |= {"kid": identity, "use": "sig", "alg": kind}

    def sign(self, message):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        if self.kind == "RS256":
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        first, second = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return first.to_bytes(32, "big") + second.to_bytes(32, "big")

    @property
    def pem(self):
        from cryptography.hazmat.primitives import serialization

        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """Serves its discovery document and its keys. `tls` is (certificate, key) for an issuer over HTTPS."""

    def __init__(self, context, tls=None):
        self.key, self.asked = Key(), 0
        self.keys = [self.key]
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                if self.path.endswith("/openid-configuration"):
                    told = {"issuer": issuer.url, "jwks_uri": issuer.url + "/jwks"}
                else:
                    told = {"keys": [key.jwk for key in issuer.keys]}
                body = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        scheme = "http"
        if tls:
            import ssl

            terms = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            terms.load_cert_chain(*tls)
            self.server.socket = terms.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        context.defer(self.server.shutdown)

    def token(self, claims, header=None, key=None, signature=None, secret=None):
        """A signed token; every part of it can be forged."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "iat": now, "nbf": now - 5, "exp": now + 300,
                  "jti": str(uuid.uuid4()), **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        key = key or self.key
        header = {"alg": key.kind, "typ": "JWT", "kid": key.identity, **(header or {})}
        header = {name: value for name, value in header.items() if value is not None}
        message = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
        if signature is None:
            signature = hmac.new(secret, message.encode(), hashlib.sha256).digest() if secret is not None else \
                key.sign(message.encode())
        return f"{message}.{encode(signature)}"


def github(repository="acme/shop", ref="refs/heads/main", event="push", **more):
    """Claims as GitHub Actions makes them."""
    owner = repository.split("/")[0]
    return {"sub": f"repo:{repository}:ref:{ref}", "repository": repository, "repository_id": "1001",
            "repository_owner": owner, "repository_owner_id": "2001", "ref": ref,
            "ref_type": "tag" if ref.startswith("refs/tags/") else "branch", "event_name": event, "actor": "ann",
            "repository_visibility": "private", "runner_environment": "github-hosted", "ref_protected": "true",
            "workflow": "ci", "run_id": "7", "run_attempt": "1", "sha": "0" * 40,
            "job_workflow_ref": f"{repository}/.github/workflows/ci.yml@{ref}", **more}


def pull_request(number_, base="main", head="feature", **more):
    """Claims of a job that GitHub runs for a pull request."""
    return github(ref=f"refs/pull/{number_}/merge", event="pull_request", base_ref=base, head_ref=head,
                  ref_protected="false", **more)
