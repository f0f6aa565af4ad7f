"""An identity provider of the tests' own: a real server of keys, and tokens as Cognito and Auth0 make them."""

import json
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

CLIENT = "4h57kgexample"


def rsa_key(number: int, bits: int = 2048) -> RSAPrivateKey:
    """The same one for the same numbers."""
    return _made(number, bits)


@cache
def _made(number: int, bits: int) -> RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def jwk_of(number: int, bits: int = 2048, **members: Any) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(rsa_key(number, bits).public_key(), True)
    return {
        "kty": "RSA",
        "n": public["n"],
        "e": public["e"],
        "alg": "RS256",
        "use": "sig",
        "kid": f"key-{number}",
    } | members


class Provider:
    """`document` is what it answers; `status` and `during` (called while it answers) are for its bad days."""

    def __init__(self) -> None:
        self.document: Any = {"keys": [jwk_of(1)]}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.during: Callable[[Any], None] = lambda handler: None
        self.fetches = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # so that closing waits for those who still answer
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = self.address + "/pool"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                try:
                    provider.during(self)
                    body = (
                        provider.document
                        if isinstance(provider.document, bytes)
                        else json.dumps(provider.document).encode()
                    )
                    self.send_response(provider.status)
                    for name, value in provider.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # whoever asked has gone

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def stop(self) -> None:
        """Nobody answers any more; may be called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def claims(self, subject: str = "subject-1", **changes: Any) -> dict[str, Any]:
        """What Cognito says in an access token; a change to `...` leaves a claim out."""
        now = int(time.time())
        claims = {
            "sub": subject, "iss": self.issuer, "client_id": CLIENT, "token_use": "access", "scope": "aws.cognito.signin.user.admin",
            "origin_jti": "o", "event_id": "e", "auth_time": now - 5, "exp": now + 3600, "iat": now - 5, "jti": "j", "username": "somebody",
        } | changes  # fmt: skip
        return {name: value for name, value in claims.items() if value is not ...}

    def token(
        self, subject: str = "subject-1", *, key: Any = 1, algorithm: str = "RS256", headers: Any = None, **changes: Any
    ) -> str:
        signing, kid = (rsa_key(key), {"kid": f"key-{key}"}) if isinstance(key, int) else (key, {"kid": "key-1"})
        return jwt.encode(self.claims(subject, **changes), signing, algorithm, headers=kid | (headers or {}))

    def auth0(self, subject: str = "auth0|5f7c8ec7c33c6c004bbafe82", **changes: Any) -> str:
        """What Auth0 says: `aud` is a list, and the application is `azp`."""
        shape = {"aud": [CLIENT, f"{self.issuer}/userinfo"], "azp": "front-end", "scope": "openid profile"}
        absent = dict.fromkeys(
            ("client_id", "token_use", "origin_jti", "event_id", "auth_time", "jti", "username"), ...
        )
        return self.token(subject, **(absent | shape | changes))
