"""Tokens of the identity provider: which are believed, and which never, whatever is wrong with them."""

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role
from accounts.login import tokens
from accounts.models import ExternalIdentity, User
from accounts.tests.provider import CLIENT, Provider, jwk_of, rsa_key
from conftest import API, Caller, World

ME = API + "users/me/"


def bearer(token: str) -> Caller:
    return Caller(HTTP_AUTHORIZATION=f"Bearer {token}".encode("latin-1", "replace").decode("latin-1"))


@pytest.fixture
def bound(world: World, provider: Provider) -> Provider:
    """*sales* is subject-1 of the provider, the superuser subject-0, *partner* somebody at Auth0."""
    people = {"subject-1": "sales", "subject-0": "superuser", "auth0|5f7c8ec7c33c6c004bbafe82": "partner"}
    with acting_as(Role.SUPERUSER):
        for subject, name in people.items():
            ExternalIdentity.objects.create(user=world.users[name], issuer=provider.issuer, subject=subject)
    return provider


def test_tokens_as_cognito_and_auth0_make_them_open_the_account_that_is_bound(bound: Provider) -> None:
    assert bearer(bound.token()).get(ME).json()["username"] == "sales"
    assert bearer(bound.auth0()).get(ME).json()["username"] == "partner"
    assert bearer(bound.token("subject-0")).get(ME).json()["is_superuser"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": CLIENT, "client_id": ...}, {"aud": ["x", "another"], "client_id": "unheard-of"}, {"token_use": ...},
        {"headers": {"typ": "at+jwt"}}, {"headers": {"typ": "application/at+jwt"}}, {"headers": {"typ": None}},
        {"headers": {"jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}},
    ],
)  # fmt: skip
def test_tokens_of_other_right_shapes_are_believed(changes: dict[str, Any], bound: Provider) -> None:
    assert bearer(bound.token(**changes)).get(ME).json()["username"] == "sales"


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [({"typ": "at+jwt"}, True), ({"typ": "application/AT+JWT"}, True), ({"typ": "JWT"}, False), ({"typ": None}, False), ({}, False)],
)  # fmt: skip
def test_where_the_provider_types_its_tokens_no_other_is_taken(
    headers: dict[str, Any], is_taken: bool, bound: Provider, settings: Any
) -> None:
    """An ID token may lack all that tells it apart, but not its type."""
    settings.OIDC_TYPED_TOKENS = True
    assert bearer(bound.token(headers=headers)).get(ME).status_code == (200 if is_taken else 401)
    settings.OIDC_TYPED_TOKENS = False
    assert bearer(bound.token(headers=headers)).get(ME).status_code == 200


@pytest.mark.parametrize("claim", [{"iat": 20}, {"exp": -10}, {"nbf": 20}, {"exp": 60.5}])
def test_the_providers_clock_may_be_off_by_half_a_minute(claim: dict[str, float], bound: Provider) -> None:
    token = bound.token(**{name: int(time.time()) + seconds for name, seconds in claim.items()})
    assert bearer(token).get(ME).json()["username"] == "sales"


def test_the_account_decides_what_the_token_may(bound: Provider, world: World) -> None:
    partner, sales = bearer(bound.auth0()), bearer(bound.token())
    assert [row["id"] for row in partner.get(API + "clients/").json()["results"]] == [world.own_client.pk]
    assert partner.patch(f"{API}clients/{world.own_client.pk}/", {"last_name": "X"}).status_code == 403
    assert sales.patch(f"{API}clients/{world.own_client.pk}/", {"last_name": "X"}).status_code == 200
    assert (
        bearer(bound.token(username="superuser", **{"cognito:groups": ["management"], "role": "management"}))
        .get(ME)
        .json()["role"]
        == "sales"
    )


def test_our_own_tokens_work_next_to_the_providers(bound: Provider, world: World) -> None:
    assert bearer(tokens.log_in(world.users["support"]).access).get(ME).json()["username"] == "support"
    assert bound.fetches == 0


def test_one_statement_finds_the_account_and_enters_its_role(bound: Provider) -> None:
    caller = bearer(bound.token())
    with CaptureQueriesContext(connection) as captured:
        assert caller.get(ME).status_code == 200
    (statement,) = (query["sql"] for query in captured if "accounts_" in query["sql"])
    assert "set_config('role'" in statement


def _b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(provider: Provider, world: World) -> dict[str, str]:
    """Tokens of the superuser's identity that look right in all but one thing."""
    now = int(time.time())

    def signed(**changes: Any) -> str:
        return provider.token("subject-0", **changes)

    right = signed()
    head, body, signature = right.split(".")
    public = rsa_key(1).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    confused = f"{_b64({'alg': 'HS256', 'kid': 'key-1', 'typ': 'JWT'})}.{body}"
    hs256 = base64.urlsafe_b64encode(hmac.digest(pem, confused.encode(), "sha256")).rstrip(b"=").decode()
    its_own = {"kid": "key-1", "jwk": jwk_of(9), "jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}
    boss = User.objects.defer(None).get(username="superuser")  # the identity took its password
    pair = jwt.decode(tokens.log_in(boss).access, options={"verify_signature": False})
    made = {
        "another key": signed(key=rsa_key(2)), "another key that it brings along": signed(key=rsa_key(9), headers=its_own),
        "an unknown kid": signed(headers={"kid": "key-7"}), "kid path": signed(headers={"kid": "../../etc/passwd"}),
        "no kid": jwt.encode(provider.claims("subject-0"), rsa_key(1), "RS256"), "kid list": f"{_b64({'alg': 'RS256', 'kid': ['key-1']})}.{body}.{signature}",
        "HS256 with the public key": f"{confused}.{hs256}", "ES256": signed(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        "PS256": signed(algorithm="PS256"), "RS512": signed(algorithm="RS512"), "HS256": signed(key="k" * 32, algorithm="HS256"),
        "our own key": signed(key=pem.hex(), algorithm="HS256"),
        "no exp": signed(exp=...), "no iat": signed(iat=...), "no sub": signed(sub=...), "no iss": signed(iss=...),
        "expired": signed(exp=now - 31), "issued in the future": signed(iat=now + 60), "not yet": signed(nbf=now + 60),
        "issuer with a slash": signed(iss=provider.issuer + "/"), "issuer in capitals": signed(iss=provider.issuer.upper()), "issuer within": signed(iss=provider.issuer[:-1]),
        "our issuer": signed(iss="epic-events-crm"), "another client": signed(client_id="unheard-of"), "no client": signed(client_id=...),
        "another audience": signed(aud="unheard-of"), "audiences of others": signed(aud=["a", "b"]), "no audiences": signed(aud=[]), "empty audience": signed(aud=""),
        "audience null": signed(aud=None), "audience that holds ours": signed(aud=f"{CLIENT}-not"), "audience of objects": signed(aud=[{"a": CLIENT}, [CLIENT]]),
        "clients in a list of lists": signed(client_id=[[CLIENT]]),
        "ID token of Cognito": signed(token_use="id", aud=CLIENT, client_id=...), "refresh token": signed(token_use="refresh"), "use null": signed(token_use=None),
        "ID token with a nonce": signed(nonce="n", aud=CLIENT), "ID token with at_hash": signed(at_hash="h", aud=CLIENT), "ID token with c_hash": signed(c_hash="h"),
        "typ of another kind": signed(headers={"typ": "logout+jwt"}), "typ list": f"{_b64({'alg': 'RS256', 'kid': 'key-1', 'typ': ['JWT']})}.{body}.{signature}",
        "crit": signed(headers={"crit": ["x"], "x": 1}), "b64": signed(headers={"crit": ["b64"], "b64": False}),
        "no signature": f"{head}.{body}.", "two parts": f"{head}.{body}", "cut": right[:-6], "extra part": right + ".x", "changed body": f"{head}.{_b64(provider.claims('subject-0', exp=now + 9999))}.{signature}",
        "60 KB": signed(scope="x" * 60_000), "60 KB of signature": right + "A" * 60_000, "not ascii": "é" + right,
        "our claims under the provider's key": signed(**{name: value for name, value in pair.items() if name not in ("iss", "aud")}, iss="epic-events-crm", aud="epic-events-api"),
        "an unknown subject": signed(sub="nobody"), "subject in capitals": signed(sub="SUBJECT-0"),
    }  # fmt: skip
    made |= {f"exp {value!r:.20}": signed(exp=value) for value in ("soon", str(now + 60), None, [], True, -1)}
    made |= {
        f"iat {value!r:.20}": signed(iat=value) for value in ("soon", str(now), None, [], True, -1, -(10**400), 10**400)
    }
    made |= {f"exp {text}": _signed_text(provider, "exp", text) for text in ("NaN", "Infinity", "-Infinity", "1e999")}
    made |= {f"iat {text}": _signed_text(provider, "iat", text) for text in ("NaN", "Infinity", "-Infinity", "1e999")}
    subjects = ("", " ", "\x00", "subject-0\x00", "a b", "é", "\ud800", "x" * 256, "' OR 1=1 --")
    made |= {f"sub {value!r:.20}": signed(sub=value) for value in subjects}
    made |= {
        f"sub {value!r:.20}": _signed_text(provider, "sub", json.dumps(value))
        for value in (1, None, [], {}, ["subject-0"])
    }
    for spelling in ("none", "None", "NONE", "nOnE"):
        made[f"alg {spelling}"] = f"{_b64({'alg': spelling, 'kid': 'key-1', 'typ': 'JWT'})}.{body}."
        made[f"alg {spelling}, signed"] = f"{_b64({'alg': spelling, 'kid': 'key-1', 'typ': 'JWT'})}.{body}.{signature}"
    assert bearer(right).get(ME).json()["is_superuser"] is True
    return made


def _signed_text(provider: Provider, claim: str, text: str) -> str:
    """A token whose claim is written as no JSON library would."""
    claims = json.dumps(provider.claims("subject-0") | {claim: "@"}).replace('"@"', text)
    return jwt.api_jws.encode(claims.encode(), rsa_key(1), "RS256", headers={"kid": "key-1"})


def test_forged_tokens_of_the_provider_open_nothing(bound: Provider, world: World) -> None:
    made = forged(bound, world)
    assert len(made) >= 80
    for name, token in made.items():
        for endpoint in (ME, API + "clients/", f"{API}clients/{world.own_client.pk}/contracts/"):
            response = bearer(token).get(endpoint)
            assert response.status_code == 401, (name, endpoint, response.content)
            assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert bound.fetches == 2, "a key id that nobody knows gets one more look"


def test_without_a_provider_its_tokens_are_nothing(bound: Provider, settings: Any) -> None:
    token = bound.token()
    assert bearer(token).get(ME).status_code == 200
    settings.OIDC_ISSUER, settings.OIDC_JWKS_URL, settings.OIDC_CLIENT_IDS = "", "", []
    assert bearer(token).get(ME).status_code == 401


def test_an_identity_of_a_former_provider_opens_nothing(bound: Provider, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.create(
            user=world.users["support"], issuer="https://former.example", subject="subject-9"
        )
    assert bearer(bound.token("subject-9")).get(ME).status_code == 401


def test_a_token_of_the_provider_is_no_refresh_token(bound: Provider, anonymous: Caller) -> None:
    assert anonymous.post(API + "users/refresh/", {"refresh": bound.token()}).status_code == 401


def test_no_answer_and_no_log_line_holds_a_token(bound: Provider, caplog: pytest.LogCaptureFixture) -> None:
    token = bound.token("nobody")
    with caplog.at_level("INFO"):
        response = bearer(token).get(ME)
    assert response.status_code == 401
    event = next(record for record in caplog.records if record.name == "eecrm.security")
    assert (event.event, event.subject, event.issuer) == ("authn_login_fail", "nobody", bound.issuer)
    logged = " ".join(str(vars(record)) for record in caplog.records) + response.content.decode()
    for part in token.split("."):
        assert part not in logged


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("expired", {"exp": 1}), ("not_yet_valid", {"nbf": 2**33}), ("not_yet_valid", {"iat": 2**33}), ("issuer", {"iss": "https://former.example"}),
        ("signature", {"key": rsa_key(2)}), ("algorithm", {"algorithm": "RS512"}), ("key_unknown", {"headers": {"kid": "key-7"}}),
        ("typ", {"headers": {"typ": "logout+jwt"}}), ("claim_missing", {"exp": ...}), ("claim_invalid", {"sub": ""}), ("claim_invalid", {"exp": str(2**33)}),
        ("audience", {"client_id": "unheard-of"}), ("audience", {"aud": "unheard-of"}), ("not_an_access_token", {"token_use": "id"}), ("not_an_access_token", {"nonce": "n"}),
        ("malformed", {"exp": "soon"}), ("key_unnamed", {"kid": ...}),
    ],
)  # fmt: skip
def test_the_log_says_why_a_token_was_refused(
    reason: str, changes: dict[str, Any], bound: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    token = jwt.encode(bound.claims(), rsa_key(1), "RS256") if "kid" in changes else bound.token(**changes)
    with caplog.at_level("INFO"):
        assert bearer(token).get(ME).status_code == 401
    (event,) = [record for record in caplog.records if record.name == "eecrm.security"]
    assert (event.event, event.reason, event.issuer) == ("authn_login_fail", reason, bound.issuer)
    assert event.levelname == ("INFO" if reason == "expired" else "WARNING")
    assert not [part for part in token.split(".") if part in str(vars(event))]


def test_a_token_that_is_not_the_providers_is_not_told(bound: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody could fill the log with those: they may be of any kind."""
    for token in ("forged", bound.token(iss="epic-events-crm"), bound.token(iss=...)):
        assert bearer(token).get(ME).status_code == 401
    assert [record for record in caplog.records if record.name == "eecrm.security"] == []


def test_a_request_that_was_refused_enters_no_role(bound: Provider) -> None:
    bearer(bound.token("nobody")).get(ME)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user::text")
        assert cursor.fetchone() == ("eecrm_app",)
