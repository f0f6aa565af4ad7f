"""Configuration is complete on paper, and a weak or missing secret stops a production start by name."""

import re
import subprocess
import sys

import pytest

from config.environment import ROOT
from config.tests.starts import STRONG, start


def test_a_complete_production_environment_starts() -> None:
    result = start({})
    assert (result.returncode, result.stdout) == (0, "some-hidden-place/ require\n"), result.stderr


@pytest.mark.parametrize("name", [name for name in STRONG if name != "APP_ENV"])
def test_a_missing_variable_is_named(name: str) -> None:
    result = start({name: None})
    assert result.returncode == 1
    assert f"ImproperlyConfigured: {name} is not set" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"), ("SECRET_KEY", "a" * 60), ("JWT_SIGNING_KEY", "x" * 31), ("JWT_SIGNING_KEY", "y" * 40),
        ("JWT_SIGNING_KEY", STRONG["SECRET_KEY"]), ("DEBUG", "true"), ("DEBUG", "maybe"), ("ALLOWED_HOSTS", "*"), ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "crm.epic.example,*"), ("ADMIN_URL", "admin/"), ("ADMIN_URL", "/"), ("ADMIN_URL", "api/v1/"), ("PG_PORT", "abc"),
        *(
            ("CORS_ORIGINS", origin)
            for origin in ("*", "null", "other.example", "http://app.epic.example", "https://*.epic.example", "https://app.epic.example/", "https://App.epic.example",
                           "https://app.epic.example:443", "https://a@app.epic.example", "https://a.example, https://b.example/x", "file://", "https://", "https://app.epic.example\nx")
        ),
        ("SECOND_FACTOR", "maybe"), ("SECOND_FACTOR", ""), ("SECOND_FACTOR_KEY", ""), ("SECOND_FACTOR_KEY", "a" * 44),
        ("SECOND_FACTOR_KEY", "c2Vjb25kLWZhY3Rvcg=="), ("SECOND_FACTOR_KEY", "no base64 at all, é"),
        ("SECOND_FACTOR_PREVIOUS_KEYS", STRONG["SECOND_FACTOR_KEY"] + ",short"),
        ("PUBLIC_URL", "http://crm.epic.example"), ("PUBLIC_URL", "https://crm.epic.example/path"), ("PUBLIC_URL", "crm.epic"),
        ("PUBLIC_URL", "https://a@crm.epic.example"), ("PUBLIC_URL", "https://crm.epic.example?x"), ("EMAIL_HOST", ""), ("EMAIL_HOST_USER", ""),
        ("EMAIL_HOST_PASSWORD", ""), ("EMAIL_SECURITY", "tls"), ("EMAIL_SECURITY", "none"), ("EMAIL_PORT", "abc"), ("DEFAULT_FROM_EMAIL", "somebody"),
    ],
)  # fmt: skip
def test_a_weak_value_is_named(name: str, value: str) -> None:
    result = start({name: value})
    assert result.returncode == 1
    assert "ImproperlyConfigured: " in result.stderr
    assert name in result.stderr.splitlines()[-1]
    assert value not in result.stderr.splitlines()[-1] or len(value) < 12, "a secret is printed"


@pytest.mark.parametrize(("environment", "mode"), [("production", "required"), ("local", "optional")])
def test_production_asks_for_a_second_factor(environment: str, mode: str) -> None:
    code = "import config.settings as settings; print(settings.SECOND_FACTOR)"
    assert start({"APP_ENV": environment}, code).stdout == f"{mode}\n"
    assert start({"APP_ENV": environment, "SECOND_FACTOR": "optional"}, code).stdout == "optional\n"


def test_local_has_defaults_but_for_what_scripts_run_generates() -> None:
    generated = {name: STRONG[name] for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "SECOND_FACTOR_KEY")}
    unset = dict.fromkeys(STRONG.keys() - {"PG_HOST", "PG_PASSWORD"})
    result = start(unset | generated)
    assert (result.returncode, result.stdout) == (0, "hidden-admin/ prefer\n"), result.stderr
    result = start({"APP_ENV": None, "SECRET_KEY": None})
    assert "let scripts/run generate it" in result.stderr


@pytest.mark.parametrize(("urls", "starts"), [("config.urls", True), ("config.tests.forgotten_urls", False)])
def test_the_server_does_not_start_with_a_route_that_the_policy_does_not_know(urls: str, starts: bool) -> None:
    code = f"import config.settings as settings; settings.ROOT_URLCONF = {urls!r}; import config.wsgi"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "eecrm", capture_output=True, text=True, check=False
    )
    assert (result.returncode == 0) == starts, result.stderr
    assert ("The route /forgotten/ does list on no resource" in result.stderr) != starts


def test_every_variable_that_is_read_is_in_the_sample() -> None:
    sample = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.sample").read_text(), re.MULTILINE))
    read: set[str] = set()
    for folder in ("eecrm", "scripts", "deploy", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if "tests" not in path.parts:
                read |= set(re.findall(r"""\b(?:env|_?chosen)\(\s*["']([A-Z_]+)["']""", path.read_text()))
    assert read == sample


def test_requirements_are_pinned_exactly() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-local.txt"):
        for line in (ROOT / name).read_text().split():
            if not line.startswith(("-r", "requirements", "#")):
                assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9.]+", line), line
