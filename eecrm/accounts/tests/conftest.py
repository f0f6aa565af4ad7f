from collections.abc import Iterator
from typing import Any

import pytest

from accounts.oidc_keys import ProviderKeys
from accounts.tests.provider import CLIENT, Provider
from conftest import Visitor, World


@pytest.fixture
def visit(world: World) -> Any:
    def log_in(name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(world.users[name])
        return browser

    return log_in


@pytest.fixture
def provider(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """An identity provider that is configured, and whose keys nobody has read yet."""
    running = Provider()
    settings.OIDC_ISSUER = running.issuer
    settings.OIDC_JWKS_URL = running.address + "/keys"
    settings.OIDC_CLIENT_IDS = ["another", CLIENT]
    monkeypatch.setattr("accounts.oidc.provider_keys", ProviderKeys())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield running
    running.stop()
