"""More than sixty tokens that look right in all but one thing open nothing (RFC 8725)."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.login.signing_keys import KeyRing
from accounts.models import TokenSession
from accounts.tests.rings import private, public, ring
from accounts.tests.test_login import bearer
from conftest import API, Caller, World

REFRESH, ME = API + "users/refresh/", API + "users/me/"


@pytest.fixture
def three_keys(settings: Any) -> KeyRing:
    """A rotation with a key of each kind: none may be used as what it isn't."""
    settings.JWT_KEYS = ring("HS256", private("rsa"), public("ec"))
    return settings.JWT_KEYS


def forged(world: World, keys: KeyRing) -> dict[str, str]:
    """Tokens that look right in all but one thing."""
    session = TokenSession.objects.create(
        id=uuid4(), user=world.users["superuser"], refresh_jti=uuid4(), rotated_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    now = int(timezone.now().timestamp())
    good = {
        "token_type": "access", "exp": now + 600, "iat": now, "jti": uuid4().hex, "user_id": str(world.users["superuser"].pk),
        "sid": str(session.pk), "iss": "epic-events-crm", "aud": "epic-events-api",
    }  # fmt: skip
    key = keys.present.signing
    secret_kid, rsa_kid, ec_kid = (
        next(one.kid for one in keys.believed.values() if one.algorithm == algorithm)
        for algorithm in ("HS256", "RS256", "ES256")
    )

    def signed(
        headers: dict[str, Any] | None = None, signing_key: Any = key, algorithm: str = "HS256", **changes: Any
    ) -> str:
        claims = {name: value for name, value in (good | changes).items() if value is not ...}
        return jwt.encode(claims, signing_key, algorithm, headers={"kid": secret_kid} | (headers or {}))

    right = signed()
    head, body, signature = right.split(".")
    tokens = {f"without {name}": signed(**{name: ...}) for name in good if name != "iat"}
    tokens |= {
        f"user_id {value!r:.20}": signed(user_id=value)
        for value in ("x", "", [1], {"a": 1}, None, True, 1.5, -1, 0, "0", "١", 10**40, "1 OR 1=1")
    }
    tokens |= {f"exp {value!r}": signed(exp=value) for value in (now - 1, 0, -1, 1e30, "soon", None, [], 10**400)}
    tokens |= {
        f"sid {value!r:.20}": signed(sid=value) for value in (str(uuid4()), "x", "", 1, None, [], {}, "\x00" * 36)
    }
    tokens |= {f"jti {value!r:.20}": signed(jti=value) for value in ("x", "", 1, None, [])}
    tokens |= {
        "other key": signed(signing_key="k" * 32), "SECRET_KEY": signed(signing_key=settings.SECRET_KEY),
        "HS512": signed(algorithm="HS512", signing_key=key * 2), "HS384": signed(algorithm="HS384"),
        "refresh as access": signed(token_type="refresh"), "unknown type": signed(token_type="admin"),
        "other issuer": signed(iss="https://evil.example"), "other audience": signed(aud="other"), "no audiences": signed(aud=[]),
        "jwk header": signed(headers={"jwk": {"kty": "oct", "k": "AAAA"}}, signing_key="k" * 32),
        "jku header": signed(headers={"jku": "https://evil.example/keys"}, signing_key="k" * 32),
        "no kid": jwt.encode(good, key, "HS256"), "kid of the RSA key": signed(headers={"kid": rsa_kid}),
        "kid of the EC key": signed(headers={"kid": ec_kid}), "kid of no key": signed(headers={"kid": "x" * 22}), "kid empty": signed(headers={"kid": ""}),
        "kid path": signed(headers={"kid": "../../dev/null"}), "kid huge": signed(headers={"kid": "k" * 5000}), "kid query": signed(headers={"kid": "' OR 1=1 --"}),
        "cut signature": right[:-6], "empty signature": f"{head}.{body}.", "no signature": f"{head}.{body}", "swapped": f"{body}.{head}.{signature}",
        "extra part": right + ".x", "long": right + "A" * 12_000, "too long": right + "A" * 60_000, "empty": "", "dots": "..", "text": "not a token", "space": right.replace(".", " "),
        "not ascii": "é" + right, "sub only": jwt.encode({"sub": "1"}, key, "HS256"), "empty claims": jwt.encode({}, key, "HS256"),
        "not yet": signed(nbf=now + 3600), "issued later": signed(iat=now + 3600),
    }  # fmt: skip
    for spelling in ("none", "None", "NONE", "nOnE"):
        unsigned = f"{_b64(dict(alg=spelling, typ='JWT', kid=secret_kid))}.{body}."
        tokens |= {f"alg {spelling}": unsigned, f"alg {spelling}, signed": unsigned + signature}
    for value in (1, None, True, [secret_kid], {"kid": secret_kid}, "é"):  # PyJWT writes no such header
        tokens[f"kid {value!r:.20}"] = _hs256({"alg": "HS256", "kid": value}, body, key)
    for kind, kid in (("rsa", rsa_kid), ("ec", ec_kid)):  # RFC 8725, section 2.1: a public key taken for a secret
        for text in (public(kind), public(kind).strip()):
            tokens[f"HS256 with the {kind} key {len(text)}"] = _hs256({"alg": "HS256", "kid": kid}, body, text.encode())
        algorithm = {"rsa": "RS256", "ec": "ES256"}[kind]
        tokens[f"{algorithm} of another key"] = signed({"kid": kid}, private(kind, 1), algorithm)
        tokens[f"{algorithm} under the kid of the secret"] = signed({}, private(kind), algorithm)
        other = {"rsa": "PS256", "ec": "ES384"}[kind]
        tokens[f"{other} under the kid of {algorithm}"] = signed(
            {"kid": kid}, private(kind if kind == "rsa" else "other curve"), other
        )
        assert bearer(signed({"kid": kid}, private(kind), algorithm)).get(ME).status_code == 200
    tokens["crit header"] = signed(headers={"crit": ["unheard-of"], "unheard-of": 1})
    tokens["flipped bit"] = right[:-10] + ("A" if right[-10] != "A" else "B") + right[-9:]
    assert bearer(right).get(ME).json()["username"] == "superuser"
    assert bearer(_hs256({"alg": "HS256", "kid": secret_kid}, body, key)).get(ME).status_code == 200
    return tokens


def _hs256(header: dict[str, Any], body: str, key: bytes) -> str:
    """A token of which no library asked whether it makes sense."""
    signed = f"{_b64(header)}.{body}"
    signature = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _b64(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_forged_tokens_open_nothing(world: World, three_keys: KeyRing) -> None:
    tokens = forged(world, three_keys)
    assert len(tokens) >= 80
    endpoints = (ME, API + "clients/", f"{API}clients/{world.own_client.pk}/contracts/")
    for name, token in tokens.items():
        for endpoint in endpoints:
            response = Caller(HTTP_AUTHORIZATION=f"Bearer {token}".encode("latin-1", "replace").decode("latin-1")).get(
                endpoint
            )
            assert response.status_code == 401, (name, endpoint, response.content)


def test_forged_refresh_tokens_are_exchanged_for_nothing(world: World, anonymous: Caller, three_keys: KeyRing) -> None:
    for name, token in forged(world, three_keys).items():
        response = anonymous.post(REFRESH, {"refresh": token})
        refusals = (413,) if name == "too long" else (400, 401)
        assert response.status_code in refusals, (name, response.content)
