"""Whatever kind of key signs: the whole life of a login, a rotation that nobody notices, and what the public may know."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import jwt
import pytest

from accounts.login.signing_keys import Key, _thumbprint
from accounts.tests.rings import KEYS, SECRET, private, public, ring, text_of
from conftest import API, PASSWORD, Caller, World

USERS = API + "users/"
JWKS = "/.well-known/jwks.json"


def bearer(access: str) -> Caller:
    return Caller(HTTP_AUTHORIZATION=f"Bearer {access}")


def log_in(anonymous: Caller) -> dict[str, str]:
    return anonymous.post(USERS + "login/", {"username": "sales", "password": PASSWORD}).json()


def header(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_login_from_its_beginning_to_its_end(algorithm: str, world: World, anonymous: Caller, settings: Any) -> None:
    settings.JWT_KEYS = ring(algorithm)
    first = log_in(anonymous)
    for token in (first["access"], first["refresh"]):
        assert header(token) == {"alg": algorithm, "typ": "JWT", "kid": settings.JWT_KEYS.present.kid}
    assert bearer(first["access"]).get(USERS + "me/").json()["username"] == "sales"
    assert bearer(first["refresh"]).get(USERS + "me/").status_code == 401

    second = anonymous.post(USERS + "refresh/", {"refresh": first["refresh"]}).json()
    retry = anonymous.post(USERS + "refresh/", {"refresh": first["refresh"]}).json()
    assert claims(retry["refresh"]) == claims(second["refresh"]) != claims(first["refresh"])
    assert bearer(second["access"]).get(USERS + "me/").status_code == 200

    assert bearer(second["access"]).post(USERS + "logout/", {"refresh": second["refresh"]}).status_code == 204
    for token in (first["access"], second["access"], retry["access"]):
        assert bearer(token).get(USERS + "me/").status_code == 401
    for token in (first["refresh"], second["refresh"], retry["refresh"]):
        assert anonymous.post(USERS + "refresh/", {"refresh": token}).status_code == 401


@pytest.mark.parametrize("after", KEYS)
@pytest.mark.parametrize("before", KEYS)
def test_a_rotation_with_overlap_logs_nobody_out(
    before: str, after: str, world: World, anonymous: Caller, settings: Any
) -> None:
    settings.JWT_KEYS = ring(before, number=1)
    old = log_in(anonymous)
    assert header(old["access"])["alg"] == before

    # The new key signs, and the public half of the old one is all that it takes to believe its tokens.
    settings.JWT_KEYS = ring(after, text_of("HS256", 1) if before == "HS256" else public(KEYS[before], 1))
    assert bearer(old["access"]).get(USERS + "me/").status_code == 200
    new = anonymous.post(USERS + "refresh/", {"refresh": old["refresh"]}).json()
    assert header(new["access"]) == {"alg": after, "typ": "JWT", "kid": settings.JWT_KEYS.present.kid}
    assert header(new["access"])["kid"] != header(old["access"])["kid"]

    settings.JWT_KEYS = ring(after)
    assert bearer(old["access"]).get(USERS + "me/").status_code == 401
    assert anonymous.post(USERS + "refresh/", {"refresh": old["refresh"]}).status_code == 401
    assert bearer(new["access"]).get(USERS + "me/").status_code == 200


def test_the_public_may_know_every_public_key_and_nothing_else(settings: Any, anonymous: Caller) -> None:
    settings.JWT_KEYS = keys = ring("ES256", SECRET, private("rsa"), public("rsa", 1))
    response = anonymous.get(JWKS)
    assert (response.status_code, response["Content-Type"]) == (200, "application/jwk-set+json")
    assert response["Cache-Control"] == "public, max-age=300"
    published = {jwk["kid"]: jwk for jwk in json.loads(response.content)["keys"]}
    assert set(published) == {kid for kid, key in keys.believed.items() if key.algorithm != "HS256"}
    assert sorted(jwk["kty"] for jwk in published.values()) == ["EC", "RSA", "RSA"]
    for jwk in published.values():
        members = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}[jwk["kty"]]
        assert set(jwk) == members | {"kty", "kid", "use", "alg"}
        assert jwk["use"] == "sig"
    assert SECRET not in response.content.decode()


def test_a_token_can_be_verified_with_the_published_key(world: World, anonymous: Caller, settings: Any) -> None:
    for algorithm in ("RS256", "ES256"):
        settings.JWT_KEYS = ring(algorithm)
        access = log_in(anonymous)["access"]
        published = jwt.PyJWKSet.from_dict(json.loads(anonymous.get(JWKS).content))
        key = published[header(access)["kid"]]
        assert jwt.decode(access, key, audience="epic-events-api", issuer="epic-events-crm")["token_type"] == "access"


def test_a_secret_publishes_nothing(anonymous: Caller) -> None:
    assert json.loads(anonymous.get(JWKS).content) == {"keys": []}


def test_the_id_of_a_public_key_is_its_thumbprint(settings: Any) -> None:
    """The example of RFC 7638, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn"
        "64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpb"
        "ISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    example = jwt.PyJWK.from_dict({"kty": "RSA", "e": "AQAB", "alg": "RS256", "n": modulus}).key
    assert _thumbprint(example) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("algorithm", KEYS)
def test_no_key_shows_itself(algorithm: str) -> None:
    keys = ring(algorithm)
    shown = repr(keys) + repr(keys.present)
    assert isinstance(keys.present, Key)
    assert "object at" not in shown
    assert SECRET not in shown
    assert len(urlsafe_b64decode(keys.present.kid + "==")) in (16, 32)
    assert text_of(algorithm) not in shown
