"""The host and the port that a request names are those that are served: they stand in absolute addresses of answers."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from api.tests.test_problems import problem
from config.hosts import ports_by_host
from conftest import API, Caller, World

SERVED = {
    "crm.epic.example": {""},
    "api.epic.example": {"", "8443"},
    "dev.example": {"*"},
    ".wide.example": {"9000"},
    "[::1]": {""},
}


@pytest.fixture(autouse=True)
def served(settings: Any) -> None:
    settings.ALLOWED_PORTS, settings.ALLOWED_HOSTS = SERVED, list(SERVED)


@pytest.mark.parametrize(
    ("host", "root"),
    [
        ("crm.epic.example", "https://crm.epic.example"), ("CRM.epic.example:443", "https://crm.epic.example"),
        ("api.epic.example", "https://api.epic.example"), ("api.epic.example:8443", "https://api.epic.example:8443"),
        ("dev.example:31337", "https://dev.example:31337"), ("dev.example", "https://dev.example"),
        ("a.wide.example:9000", "https://a.wide.example:9000"), ("[::1]", "https://[::1]"),
    ],
)  # fmt: skip
def test_a_host_that_is_served_stands_in_addresses(host: str, root: str, world: World, sales: Caller) -> None:
    row = sales.get(f"{API}clients/{world.own_client.pk}/", HTTP_HOST=host, secure=True).json()
    assert row["url"] == f"{root}{API}clients/{world.own_client.pk}/"
    assert sales.get(f"{API}clients/?page_size=1", HTTP_HOST=host, secure=True).json()["next"].startswith(f"{root}/")


@pytest.mark.parametrize(
    "host",
    [
        "crm.epic.example:8443", "crm.epic.example:80", "crm.epic.example:0", "crm.epic.example:", "crm.epic.example:44 3",
        "api.epic.example:9443", "api.epic.example:08443", "a.wide.example", "a.wide.example:443", "evil.example",
        "crm.epic.example@evil.example", "crm.epic.example:443:443", "[::1]:8443", "[::2]", "testserver", "", "*",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "path", [API, API + "clients/", "/hidden-admin/login/", "/admin/", "/static/admin/css/base.css", "/nowhere/"]
)
def test_another_is_refused_before_anything_is_made_of_it(host: str, path: str, world: World, sales: Caller) -> None:
    answer = sales.get(path, HTTP_HOST=host, secure=True)
    assert "ALLOWED_HOSTS" in problem(answer, 400, "parse_error")["detail"]
    assert "Location" not in answer


def test_a_redirect_to_https_leaves_the_port_of_http_behind(settings: Any, world: World, anonymous: Caller) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = anonymous.get("/account/forgotten/", HTTP_HOST="crm.epic.example:80")
    assert (answer.status_code, answer["Location"]) == (301, "https://crm.epic.example/account/forgotten/")
    assert anonymous.get("/account/forgotten/", HTTP_HOST="crm.epic.example:8080").status_code == 400


@pytest.mark.parametrize("path", ["/health/live/", "/health/ready/"])
@pytest.mark.parametrize(
    "host", ["crm.epic.example:8443", "10.0.0.5:8000", "[fd00::5]:8000", "evil.example", "a b", "*", ""]
)
@pytest.mark.parametrize("redirects", [True, False])
def test_health_ignores_the_host(
    path: str, host: str, redirects: bool, world: World, anonymous: Caller, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = redirects
    answer = anonymous.get(path, HTTP_HOST=host)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Length"] == str(len(answer.content))


@pytest.mark.parametrize(
    ("entries", "unnamed", "ports"),
    [
        (["crm.epic.example"], "", {"crm.epic.example": {""}}),
        (["CRM.epic.example:443", "crm.epic.example:8443"], "", {"crm.epic.example": {"", "8443"}}),
        (["127.0.0.1", "localhost:8000", "[::1]"], "*", {"127.0.0.1": {"*"}, "localhost": {"8000"}, "[::1]": {"*"}}),
        ([".epic.example", "[2001:db8::1]:8443", "*"], "", {".epic.example": {""}, "[2001:db8::1]": {"8443"}, "*": {""}}),
    ],
)  # fmt: skip
def test_the_setting_names_hosts_and_ports(entries: list[str], unnamed: str, ports: dict[str, set[str]]) -> None:
    assert ports_by_host(entries, unnamed=unnamed) == ports


@pytest.mark.parametrize(
    "entry",
    [
        "https://crm.epic.example",
        "crm.epic.example/",
        "crm.epic.example:",
        "a b",
        "a:0",
        "a:x",
        "a:*:1",
        "::1",
        "*.epic.example",
        ".com",
        "crm..example",
    ],
)
def test_what_is_no_host_is_no_setting(entry: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="ALLOWED_HOSTS holds"):
        ports_by_host([entry], unnamed="")
