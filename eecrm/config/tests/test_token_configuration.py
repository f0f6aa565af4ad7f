"""Keys and identity providers that are weak, incomplete or don't fit stop the start by name, and are never printed."""

import pytest

from accounts.tests.rings import private, public
from config.tests.starts import STRONG, start

SECRET = STRONG["JWT_SIGNING_KEY"]
PROVIDER = {
    "OIDC_ISSUER": "https://cognito-idp.eu-west-3.amazonaws.com/eu-west-3_example",
    "OIDC_JWKS_URL": "https://cognito-idp.eu-west-3.amazonaws.com/eu-west-3_example/.well-known/jwks.json",
    "OIDC_CLIENT_IDS": "one,two",
}


def in_one_line(pem: str) -> str:
    return pem.strip().replace("\n", "\\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": private("rsa")},
        {"JWT_ALGORITHM": "ES256", "JWT_SIGNING_KEY": in_one_line(private("ec"))},
        {"JWT_ALGORITHM": "ES256", "JWT_SIGNING_KEY": private("ec"), "JWT_PREVIOUS_KEYS": f"{SECRET}, {in_one_line(public('rsa'))},"},
        {"JWT_PREVIOUS_KEYS": ",".join([private("rsa"), public("ec"), "an older text of tokens: five wizards"])},
        PROVIDER,
        PROVIDER | {"OIDC_CREATE_ACCOUNTS": "true"},
        {"APP_ENV": "local", **PROVIDER, "OIDC_ISSUER": "http://127.0.0.1:1/", "OIDC_JWKS_URL": "http://127.0.0.1:1/keys"},
    ],
)  # fmt: skip
def test_what_is_strong_and_complete_starts(changes: dict[str, str]) -> None:
    result = start(changes)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("text", "value"), [("true", "True"), ("false", "False"), (None, "False")])
def test_a_provider_that_types_its_tokens_is_one_by_choice(text: str | None, value: str) -> None:
    code = "import config.settings as settings; print(settings.OIDC_TYPED_TOKENS)"
    assert start(PROVIDER | {"OIDC_TYPED_TOKENS": text}, code).stdout == f"{value}\n"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"JWT_ALGORITHM": "none"}, "JWT_ALGORITHM"),
        ({"JWT_ALGORITHM": "HS512"}, "JWT_ALGORITHM"),
        ({"JWT_ALGORITHM": "RS256"}, "JWT_SIGNING_KEY"),
        ({"JWT_SIGNING_KEY": private("rsa")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "ES256", "JWT_SIGNING_KEY": private("rsa")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": public("rsa")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": private("weak rsa")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "ES256", "JWT_SIGNING_KEY": private("other curve")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "ES256", "JWT_SIGNING_KEY": private("edwards")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": private("rsa", password="locked")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": private("rsa")[:400]}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": private("rsa").replace("A", "-")}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "RS256", "JWT_SIGNING_KEY": private("rsa") + private("rsa", 1)}, "JWT_SIGNING_KEY"),
        ({"JWT_SIGNING_KEY": '{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}'}, "JWT_SIGNING_KEY"),
        ({"JWT_PREVIOUS_KEYS": "short"}, "JWT_PREVIOUS_KEYS"),
        ({"JWT_PREVIOUS_KEYS": "y" * 40}, "JWT_PREVIOUS_KEYS"),
        ({"JWT_PREVIOUS_KEYS": STRONG["SECRET_KEY"]}, "JWT_PREVIOUS_KEYS"),
        ({"JWT_PREVIOUS_KEYS": f"{public('rsa')},{private('weak rsa')}"}, "JWT_PREVIOUS_KEYS"),
        ({"JWT_PREVIOUS_KEYS": public("rsa") + public("ec")}, "JWT_PREVIOUS_KEYS"),
        ({"ADMIN_URL": ".well-known/"}, "ADMIN_URL"),
        ({"OIDC_CREATE_ACCOUNTS": "perhaps"}, "OIDC_CREATE_ACCOUNTS"),
        ({"OIDC_CREATE_ACCOUNTS": "true"}, "OIDC_CREATE_ACCOUNTS"),
        *((PROVIDER | {name: ""}, name) for name in PROVIDER),
        *(({name: PROVIDER[name]}, "OIDC_") for name in PROVIDER),
        *(
            (PROVIDER | {name: url}, name)
            for name in ("OIDC_ISSUER", "OIDC_JWKS_URL")
            for url in ("http://provider.example/", "file:///etc/passwd", "provider.example", "https://", "https://[", "epic-events-crm")
        ),
        (PROVIDER | {"OIDC_ISSUER": "https://provider.example/" + "x" * 200}, "OIDC_ISSUER"),
        (PROVIDER | {"APP_ENV": "local", "OIDC_JWKS_URL": "file:///etc/passwd"}, "OIDC_JWKS_URL"),
    ],
)  # fmt: skip
def test_what_is_weak_or_does_not_fit_is_named_and_not_shown(changes: dict[str, str], name: str) -> None:
    result = start(changes)
    assert result.returncode == 1
    sentence = result.stderr.splitlines()[-1]
    assert sentence.startswith("django.core.exceptions.ImproperlyConfigured: ")
    assert name in sentence
    for value in changes.values():
        for line in value.replace("\\n", "\n").splitlines():
            assert len(line) < 20 or line.startswith(("-----", "http")) or line not in result.stderr, "a key is printed"
