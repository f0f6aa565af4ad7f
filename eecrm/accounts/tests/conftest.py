from base64 import b32decode
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpRequest
from django_otp.oath import totp

from accounts.admin_login import second_factor
from accounts.login.oidc_keys import ProviderKeys
from accounts.models import AuthenticatorApp, RecoveryCodes, User
from accounts.tests.provider import CLIENT, Provider
from conftest import PATIENCE, Visitor, World


@pytest.fixture
def visit(world: World) -> Any:
    def log_in(name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(User.objects.defer(None).get(pk=world.users[name].pk))  # as it is by now
        return browser

    return log_in


@pytest.fixture
def provider(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """An identity provider that is configured, and whose keys nobody has read yet."""
    running = Provider()
    settings.OIDC_ISSUER = running.issuer
    settings.OIDC_JWKS_URL = running.address + "/keys"
    settings.OIDC_CLIENT_IDS = ["another", CLIENT]
    monkeypatch.setattr("accounts.login.oidc.provider_keys", ProviderKeys())
    monkeypatch.setattr("accounts.login.oidc_keys.FETCH_TIMEOUT_SECONDS", PATIENCE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield running
    running.stop()


class Phone:
    """Somebody's authenticator app, and the row that it goes with."""

    def __init__(self, user: User, secret: str = "", offer: str = "") -> None:
        self.user, self.offer = user, offer
        self.key = b32decode(secret.replace(" ", "")) if secret else b""
        self.codes: list[str] = []

    @property
    def device(self) -> AuthenticatorApp:
        return AuthenticatorApp.objects.get(user=self.user, confirmed=True)

    def code(self, *, steps: int = 0) -> str:
        return f"{totp(self.key or self.device.bin_key, drift=steps):06}"

    def wrong_code(self) -> str:
        right = {self.code(steps=steps) for steps in range(-140, 141)}
        return next(code for code in map("{:06}".format, range(10)) if code not in right)

    def wait(self) -> None:
        """As if the next code had come, and every pause after wrong ones were over."""
        AuthenticatorApp.objects.filter(user=self.user).update(last_t=-1, drift=0)
        self.wait_for_pause()

    def wait_for_pause(self) -> None:
        for devices in (AuthenticatorApp.objects, RecoveryCodes.objects):
            devices.filter(user=self.user).update(throttling_failure_count=0)


def give_phone(user: User) -> Phone:
    request = HttpRequest()
    request.user = user
    given = Phone(user)
    given.codes = second_factor.enrol(request, second_factor.offer(user), uuid4().hex)
    return given


@pytest.fixture
def phone(world: World) -> Any:
    """`phone("management")` gives that person a confirmed app, and recovery codes as its `codes`."""
    return lambda name: give_phone(world.users[name])


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Any:
    """The security events since the last call, as `name key=value …` of the keys that are asked for."""
    caplog.set_level("INFO", "eecrm.security")

    def told(*keys: str) -> list[str]:
        records = [record for record in caplog.records if record.name == "eecrm.security"]
        caplog.clear()
        return [
            " ".join([record.event, *(f"{key}={getattr(record, key)}" for key in keys if hasattr(record, key))])
            for record in records
        ]

    return told


@pytest.fixture
def groups(in_the_open: None, migrator: Any) -> None:
    """Two groups, which only the migrator makes. Ask for them first: they are committed before the test's transaction."""
    with migrator.cursor() as cursor:
        cursor.execute("INSERT INTO eecrm.auth_group (name) VALUES ('Crew A'), ('Crew B')")
