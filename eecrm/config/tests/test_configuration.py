"""Configuration is complete on paper, and a weak or missing secret stops a production start by name."""

import ast
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from config.env_file import WrongFile, read_variables
from config.environment import ROOT
from config.tests.starts import STRONG, start


def test_a_complete_production_environment_starts() -> None:
    result = start({})
    assert (result.returncode, result.stdout) == (0, "some-hidden-place/ verify-full\n"), result.stderr


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
        ("ALLOWED_HOSTS", "crm.epic.example,*"), ("ALLOWED_HOSTS", "crm.epic.example:*"), ("ALLOWED_HOSTS", "https://crm.epic.example"), ("ADMIN_URL", "admin/"), ("ADMIN_URL", "/"), ("ADMIN_URL", "api/v1/"),
        *(("PG_PORT", port) for port in ("abc", "0", "65536", "5432,5433", "5432,", "-1", "5432 5433")),
        ("PG_HOST", ""), ("PG_HOST", "one,,two"), ("PG_TARGET_SESSION_ATTRS", "standby"), ("PG_SSLMODE", "verify"),
        ("PG_SSLROOTCERT", ""), ("PG_SSLROOTCERT", "/nonexistent"), ("TRUSTED_PROXIES", "-1"), ("TRUSTED_PROXIES", ""), ("APP_ENV", "prod"),
        *(
            ("CORS_ORIGINS", origin)
            for origin in ("*", "null", "other.example", "http://app.epic.example", "https://*.epic.example", "https://app.epic.example/", "https://App.epic.example",
                           "https://app.epic.example:443", "https://a@app.epic.example", "https://a.example, https://b.example/x", "file://", "https://", "https://app.epic.example\nx")
        ),
        ("SECOND_FACTOR", "maybe"), ("SECOND_FACTOR", ""), ("SECOND_FACTOR_KEY", ""), ("SECOND_FACTOR_KEY", "a" * 44),
        ("SECOND_FACTOR_KEY", "c2Vjb25kLWZhY3Rvcg=="), ("SECOND_FACTOR_KEY", "no base64 at all, é"),
        ("SECOND_FACTOR_PREVIOUS_KEYS", STRONG["SECOND_FACTOR_KEY"] + ",short"), ("ALERT_DELETIONS", "0"), ("ALERT_EXPORTS", "few"),
        ("PUBLIC_URL", "http://crm.epic.example"), ("PUBLIC_URL", "https://crm.epic.example/path"), ("PUBLIC_URL", "crm.epic"),
        ("PUBLIC_URL", "https://a@crm.epic.example"), ("PUBLIC_URL", "https://crm.epic.example?x"), ("EMAIL_HOST", ""), ("EMAIL_HOST_USER", ""),
        ("EMAIL_HOST_PASSWORD", ""), ("EMAIL_SECURITY", "tls"), ("EMAIL_SECURITY", "none"), ("EMAIL_PORT", "abc"), ("DEFAULT_FROM_EMAIL", "somebody"),
        *(("EMAIL_PORT", port) for port in ("-1", "0", "65536", "999999")), *(("TRUSTED_PROXIES", many) for many in ("101", "9" * 11)),
        *(("ADMIN_URL", path) for path in ("../x", "a b", "a/../b", "a//b", "a?b", "a#b", "a%2fb", ".x", "é", "Admin", "a/./b", "a\\b", ".", "<x>")),
        *(("RATE_LIMIT_FACTOR", factor) for factor in ("nan", "inf", "-inf", "1e308", "1000000", "0", "-1", "1e-9", "")),
        ("ALERT_CHANGES", "-1"), ("ALERT_CHANGES", "9" * 11), *(("STAFF_TIME_ZONE", zone) for zone in ("Paris", "CEST", "+01:00", "../etc", "")),
        ("EMAIL_TIMEOUT", "0"), ("EMAIL_FINAL_TIMEOUT", "3601"), ("EMAIL_TIMEOUT", "soon"),
        ("ADMIN_URL", "hidden-admin/"), ("ALLOWED_HOSTS", "*:8443"), ("SECRET_KEY", "abcde" * 10), ("SECRET_KEY", "0123456789" * 6),
        ("JWT_SIGNING_KEY", "abcdefghi-" * 5), ("SECOND_FACTOR_KEY", b64encode(b"abcdefgh" * 4).decode()),
        *(("GROUPS", names) for names in ("a\u200bb", "\u200b", "x" * 151, "PII,a\u202eb")),
    ],
)  # fmt: skip
def test_a_weak_value_is_named(name: str, value: str) -> None:
    result = start({name: value})
    assert result.returncode == 1
    assert "ImproperlyConfigured: " in result.stderr
    assert name in result.stderr.splitlines()[-1]
    assert value not in result.stderr.splitlines()[-1] or len(value) < 12, "a secret is printed"


A_HOST = "EMAIL_HOST is a host name or an IP address, without a port."
AN_ADDRESS = "PUBLIC_URL is an address without a path, such as https://crm.epic.example."
A_SENDER = "DEFAULT_FROM_EMAIL is one email address, with or without a name before it."
ZEROS = b64encode(bytes(32)).decode()
PROVIDER = {
    "OIDC_ISSUER": "https://idp.example",
    "OIDC_JWKS_URL": "https://idp.example/jwks.json",
    "OIDC_CLIENT_IDS": "crm",
}
WRONG = {
    A_HOST: ["smtp.epic.example:587", "smtp epic.example", "smtp..example", "-smtp.example", "smtp.example/", "[::1]", "10.0.0.256", "smtp,two", "é.example"],
    AN_ADDRESS: [
        "https://crm.epic.example:0", "https://crm.epic.example:65536", "https://crm.epic.example:x", "https://crm.epic.example:",
        "https://crm..example", "https://crm epic.example", "https://[::1", "https://[::1]x", "https://[crm]", "https://:443", "https://crm.example#",
    ],
    A_SENDER: ["@", "<>", "crm@", "@epic.example", "a@epic.example, b@epic.example", "A, B <a@epic.example>", "Epic Events, Paris <crm@epic.example>", "CRM <a@epic.example", "CRM: a@epic.example;", "é@epic.example", "CRM a@epic.example", "=?utf-8?q?CRM=E2=80=AEmoc?= <a@epic.example>", "=?utf-8?b?Q1JN4oCL?= <a@epic.example>"],
    "EMAIL_HOST_USER is ASCII, because the login to a mail server takes no other characters.": ["é"],
    "EMAIL_HOST_PASSWORD is ASCII, because the login to a mail server takes no other characters.": ["pâss"],
    "SECOND_FACTOR_KEY is weak: use 32 random bytes.": [ZEROS],
    "SECOND_FACTOR_PREVIOUS_KEYS is weak: use 32 random bytes.": [ZEROS],
    "TOTP_ISSUER is a name of 1 to 50 characters without a colon.": ["", "CRM: staging", "x" * 51],
    "PORT is a number from 1 to 65535.": ["0", "65536", "-1"],
    "PORT can't be used": ["", "x", "80 80", "8_0", "８０"],
    "EMAIL_PORT can't be used": ["5_87", "٥٨٧"],
    "TRUSTED_PROXIES can't be used": ["1_0", "١", "0x1"],
    "RATE_LIMIT_FACTOR can't be used": ["1_0", "1_0.5", "nan", "infinity", "١"],
    "ALERT_EXPORTS can't be used": ["1_0"],
    "WEB_CONCURRENCY is a number from 1 to 1,000.": ["0", "1001"],
    "WEB_CONCURRENCY can't be used": ["", "x", "1.5", "1_0"],
    "ALLOWED_HOSTS holds names": [
        "crm.epic.example:65536", "crm.epic.example:0", ".com", ".", "-", "..example", "crm..example", "crm.epic.example,.com", ".com:8443", "-crm.epic.example",
        "crm_1", "crm.epic.example.", "10.0.0.256", ".10.0.0.1", "[10.0.0.1]", "[::1", f"{'x' * 64}.example",
    ],
    "PUBLIC_URL has a host or a port that ALLOWED_HOSTS doesn't list": [
        "https://other.example", "https://epic.example", "https://www.crm.epic.example", "https://crm.epic.example:8443", "https://10.0.0.1", "https://[::1]",
    ],
    "ADMIN_URL can be guessed": [
        "a", "cms", "Hidden_Admin", "hidden/admin", "crm-admin2026", "backoffice", "administration-site", "epic-events-crm", "x" * 20, "abc" * 5, "admin" * 4,
        "secret7", "super-user-login",
    ],
    "PG_DATABASE is empty.": ["", " "],
    "PG_USER is empty.": ["", " "],
    "PG_PASSWORD is empty.": ["", " "],
    "CORS_ORIGINS holds origins": ["https://app.epic.example:65536", "https://app..example"],
    "PG_HOST names a host": ["db epic", "db:5432", "https://db", "[::1]"],
    "PG_PORT is a number": ["٥٤٣٢", "54_32", "5432,54_33"],
    "OIDC_ISSUER must be an address": ["https://", "https://idp.example:65536", "https://a b.example", "https://me@idp.example", "idp.example"],
    "OIDC_JWKS_URL must be an address": ["file:///etc/passwd", "https://idp.example:x/jwks.json", "https://idp..example/jwks.json"],
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "value"), [(sentence, value) for sentence in WRONG for value in WRONG[sentence]])
def test_a_value_that_does_not_do_its_work_is_refused(sentence: str, value: str) -> None:
    name = sentence.split()[0]
    result = start((PROVIDER if name in PROVIDER else {}) | {name: value})
    assert result.returncode == 1
    assert f"ImproperlyConfigured: {sentence}" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("EMAIL_HOST", host) for host in ("localhost", "10.0.0.1", "::1", "mail_server", "smtp.epic.example.")),
        *(("DEFAULT_FROM_EMAIL", sender) for sender in ("crm@epic.example", "Épic Events Ltd. <crm@epic.example>", '"A, B" <crm@mailhost>', "crm@é.example")),
        *(("PUBLIC_URL", address) for address in ("https://crm.epic.example/", "https://crm.epic.example:443", "https://CRM.epic.example.")),
        *(("ALLOWED_HOSTS", f"crm.epic.example,{host}") for host in ("crm", "localhost:8000", ".epic.example", "[::1]:8443", "10.0.0.1", "xn--crm-9ia.example")),
        *(("PG_HOST", host) for host in ("/run/postgresql", "db_1", "::1", "one, two")),
        ("TOTP_ISSUER", "Épic Events CRM (staging)"), ("PORT", "1"), ("PORT", "65535"), ("WEB_CONCURRENCY", "1000"), ("DEBUG", ""),
    ],
)  # fmt: skip
def test_a_value_that_does_its_work_is_taken(name: str, value: str) -> None:
    result = start({"PG_SSLMODE": "require"} | {name: value})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        ("crm.epic.example:8443", "https://crm.epic.example:8443"), ("[::1]:8443", "https://[::1]:8443"), ("10.0.0.1", "https://10.0.0.1"),
        (".epic.example", "https://any.epic.example"), (".epic.example", "https://epic.example"), ("crm.epic.example:443", "https://crm.epic.example"),
    ],
)  # fmt: skip
def test_links_in_mails_lead_to_a_host_that_is_served(hosts: str, address: str) -> None:
    result = start({"ALLOWED_HOSTS": hosts, "PUBLIC_URL": address})
    assert result.returncode == 0, result.stderr


# A variable with a secret -> those of other purposes. None of them may have the same value.
OF_OTHER_PURPOSES = {
    "SECRET_KEY": ["JWT_SIGNING_KEY", "JWT_PREVIOUS_KEYS", "EMAIL_HOST_PASSWORD", "PG_PASSWORD"],
    "JWT_SIGNING_KEY": ["EMAIL_HOST_PASSWORD", "PG_PASSWORD"],
    "SECOND_FACTOR_KEY": ["JWT_SIGNING_KEY", "JWT_PREVIOUS_KEYS", "EMAIL_HOST_PASSWORD", "PG_PASSWORD"],
    "EMAIL_HOST_PASSWORD": ["PG_PASSWORD"],
}


@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one in OF_OTHER_PURPOSES for other in OF_OTHER_PURPOSES[one]]
)
def test_each_secret_has_one_purpose(one: str, other: str) -> None:
    result = start({other: STRONG[one]})
    assert result.returncode == 1
    sentence = result.stderr.splitlines()[-1].removeprefix("django.core.exceptions.ImproperlyConfigured: ")
    assert re.fullmatch(r"(\w+) must not be the (\w+): each secret has one purpose\.", sentence)
    assert one in sentence and other in sentence and STRONG[one] not in result.stderr


@pytest.mark.parametrize(
    ("name", "sentence"), [("USER", "PG_MIGRATOR_USER is empty."), ("PASSWORD", "PG_MIGRATOR_PASSWORD is empty.")]
)
def test_the_migrator_has_a_login_of_its_own(name: str, sentence: str) -> None:
    code, own = "import config.migrator_settings", {"PG_MIGRATOR_PASSWORD": "migrator"}
    assert start(own, code).returncode == 0
    assert f"ImproperlyConfigured: {sentence}" in start(own | {f"PG_MIGRATOR_{name}": ""}, code).stderr
    equal = start({"PG_MIGRATOR_PASSWORD": STRONG["PG_PASSWORD"]}, code)
    assert "ImproperlyConfigured: PG_MIGRATOR_PASSWORD must not be the PG_PASSWORD." in equal.stderr


@pytest.mark.parametrize("unseen", ["\u202e", "\u2066", "\u200b", "\u00ad", "\ufeff", "\u3164"])
@pytest.mark.parametrize("name", ["DEFAULT_FROM_EMAIL", "PG_PASSWORD", "OIDC_CLIENT_IDS", "SECRET_KEY"])
def test_a_character_that_nobody_sees_is_refused(name: str, unseen: str) -> None:
    result = start({name: f"CRM{unseen} {GOOD[name]}"})
    assert result.stderr.rstrip().endswith(
        f"ImproperlyConfigured: {name} can't be used: it holds a character that nobody sees."
    )


SAMPLE = re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.sample").read_text(), re.MULTILINE)
# Variables that settings.py doesn't read: of other programs, or of scripts/run.
ELSEWHERE = {"EECRM_HOME", *(name for name in SAMPLE if re.match("PG_(MIGRATOR|REPORT|BACKUP|ADMIN)_", name))}
GOOD = STRONG | PROVIDER | {
    "DEBUG": "false", "JWT_ALGORITHM": "HS256", "JWT_PREVIOUS_KEYS": "an older text of tokens: five wizards", "OIDC_TYPED_TOKENS": "true",
    "OIDC_CREATE_ACCOUNTS": "true", "CORS_ORIGINS": "https://app.epic.example", "RATE_LIMIT_FACTOR": "2", "GROUPS": "Couriers",
    "SECOND_FACTOR": "optional", "TOTP_ISSUER": "Epic Events CRM (staging)", "SECOND_FACTOR_PREVIOUS_KEYS": STRONG["SECOND_FACTOR_KEY"], "EMAIL_SECURITY": "ssl",
    "EMAIL_PORT": "465", "EMAIL_TIMEOUT": "300", "EMAIL_FINAL_TIMEOUT": "600", "PG_PORT": "5432", "PG_TARGET_SESSION_ATTRS": "any", "PG_DATABASE": "eecrm",
    "PG_SSLMODE": "verify-full", "PG_USER": "eecrm_app", "PORT": "8000", "WEB_CONCURRENCY": "3", "STAFF_TIME_ZONE": "America/Cayenne",
} | {name: "7" for name in SAMPLE if name.startswith("ALERT_")}  # fmt: skip
DUMP = """
import config.settings as settings
print({name: str(value) for name, value in vars(settings).items()
       if name.isupper() and name not in ("JWT_KEYS", "SECOND_FACTOR_KEYS")})
"""


def test_white_space_around_a_value_changes_nothing() -> None:
    assert set(SAMPLE) - ELSEWHERE == set(GOOD)
    plain, padded = (start(values, DUMP) for values in (GOOD, {name: f" {value}\r\n" for name, value in GOOD.items()}))
    assert plain.returncode == 0, plain.stderr
    assert (padded.returncode, padded.stdout) == (0, plain.stdout), padded.stderr


@pytest.mark.parametrize("name", sorted(set(SAMPLE) - ELSEWHERE))
def test_a_line_break_within_a_value_is_refused(name: str) -> None:
    result = start(GOOD | {name: f"{GOOD[name]}\nBcc: {GOOD[name]}"})
    assert result.returncode == 1
    assert f"ImproperlyConfigured: {name} " in result.stderr


@pytest.mark.parametrize("control", ["\t", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\udcff"])
def test_a_control_character_within_a_value_is_refused(control: str) -> None:
    result = start({"EMAIL_HOST_PASSWORD": f"pass{control}word"})
    sentence = "EMAIL_HOST_PASSWORD can't be used: it holds a line break or another control character."
    assert result.stderr.rstrip().endswith(f"ImproperlyConfigured: {sentence}")


WEAK = {
    "SECRET_KEY": "short", "DEBUG": "maybe", "ALLOWED_HOSTS": "*", "PUBLIC_URL": "https://[", "EMAIL_PORT": "abc", "PG_PORT": "x",
    "TRUSTED_PROXIES": "many", "RATE_LIMIT_FACTOR": "0", "CORS_ORIGINS": "*", "SECOND_FACTOR": "maybe", "JWT_SIGNING_KEY": "x",
}  # fmt: skip


# Each is refused, and what is made of it later would fail: the other faults must be told all the same.
EXTREME = {
    "EMAIL_PORT": "1e9",
    "TRUSTED_PROXIES": "-1",
    "ALERT_DELETIONS": "-1",
    "ADMIN_URL": "../x",
    "GROUPS": "a\u200bb",
    "PORT": "0",
    "WEB_CONCURRENCY": "many",
    "DEFAULT_FROM_EMAIL": "@",
    "EMAIL_HOST_PASSWORD": "a\nb",
    "ALLOWED_HOSTS": ".com",
    "PUBLIC_URL": "https://[::1",
    "SECRET_KEY": "abcde" * 10,
    "PG_PASSWORD": "",
}

KEYS = ("JWT_ALGORITHM", "JWT_SIGNING_KEY", "JWT_PREVIOUS_KEYS", "SECOND_FACTOR_KEY", "SECOND_FACTOR_PREVIOUS_KEYS")


@pytest.mark.parametrize(
    "changes",
    [
        *(EXTREME | {"RATE_LIMIT_FACTOR": factor} for factor in ("nan", "inf", "1e308")),
        dict.fromkeys(STRONG.keys() - {"APP_ENV"}),
        WEAK,
        dict.fromkeys(STRONG.keys() - {"APP_ENV"}) | WEAK,
        dict.fromkeys(KEYS, "none"),
    ],
)
def test_all_that_is_wrong_is_told_at_once_a_line_each(changes: dict[str, str | None]) -> None:
    result = start(changes)
    assert result.returncode == 1
    first, *lines = result.stderr.partition("ImproperlyConfigured: ")[2].splitlines()
    assert first == f"{len(changes)} variables are wrong:"
    assert sorted(line.split()[0] for line in lines) == sorted(changes)
    assert result.stdout == ""


def test_a_fault_that_follows_from_a_missing_variable_is_not_told() -> None:
    lines = (
        start({"EMAIL_HOST_PASSWORD": None, "PG_HOST": None}).stderr.partition("ImproperlyConfigured: ")[2].splitlines()
    )
    assert [line.split()[0] for line in lines[1:]] == ["PG_HOST", "EMAIL_HOST_PASSWORD"]


def check_production(changes: dict[str, str | None]) -> "subprocess.CompletedProcess[str]":
    chosen = {name: value for name, value in (STRONG | changes).items() if value is not None}
    return subprocess.run(
        [sys.executable, ROOT / "eecrm" / "manage.py", "check_production"],
        env=chosen | {"PATH": os.environ["PATH"], "EECRM_HOME": "/nonexistent"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_check_for_production_tells_all_that_is_wrong_and_nothing_else() -> None:
    assert check_production({}).returncode == 0
    result = check_production(dict.fromkeys(STRONG))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert sorted(line.split()[0] for line in result.stderr.splitlines()[1:]) == sorted(STRONG)
    assert "APP_ENV must be production, in the environment." in result.stderr


def test_the_check_for_production_reads_what_production_reads() -> None:
    """Wherever it runs: locally, SECRET_KEY would be one that scripts/run has generated."""
    result = check_production({"APP_ENV": "local", "TRUSTED_PROXIES": None})
    assert [line.split()[0] for line in result.stderr.splitlines()[1:]] == ["APP_ENV", "TRUSTED_PROXIES"]


@pytest.mark.parametrize(
    ("host", "mode", "starts"),
    [
        ("db.epic.example", "verify-full", True), ("db.epic.example", "require", True), ("db.epic.example", "prefer", False),
        ("db.epic.example", "disable", False), ("127.0.0.1", "disable", True), ("/run/postgresql", "prefer", True),
        ("127.0.0.1,db.epic.example", "disable", False),
    ],
)  # fmt: skip
def test_production_talks_to_no_other_machine_in_clear(host: str, mode: str, starts: bool) -> None:
    result = start({"PG_HOST": host, "PG_SSLMODE": mode})
    assert (result.returncode == 0) == starts, result.stderr
    assert ("PG_SSLMODE must be verify-full" in result.stderr) != starts


@pytest.mark.parametrize(
    ("changes", "attributes"),
    [
        ({}, "any"),
        ({"PG_HOST": "one,two"}, "read-write"),
        ({"PG_HOST": "one, two", "PG_PORT": "5432, 5433"}, "read-write"),
        ({"PG_HOST": "one,two", "PG_TARGET_SESSION_ATTRS": "primary"}, "primary"),
    ],
)
def test_of_several_hosts_the_one_that_takes_changes_is_chosen(changes: dict[str, str | None], attributes: str) -> None:
    code = "import config.settings as settings; print(settings.DATABASES['default']['OPTIONS']['target_session_attrs'])"
    assert start(changes, code).stdout == f"{attributes}\n"


@pytest.mark.parametrize(("environment", "mode"), [("production", "required"), ("local", "optional")])
def test_production_asks_for_a_second_factor(environment: str, mode: str) -> None:
    code = "import config.settings as settings; print(settings.SECOND_FACTOR)"
    assert start({"APP_ENV": environment}, code).stdout == f"{mode}\n"
    assert start({"APP_ENV": environment, "SECOND_FACTOR": "optional"}, code).stdout == "optional\n"


@pytest.mark.parametrize(
    ("environment", "hosts", "ports"),
    [
        ("production", "crm.epic.example", {"crm.epic.example": {""}}),
        ("production", "crm.epic.example:8443, crm.epic.example", {"crm.epic.example": {"8443", ""}}),
        ("local", "localhost", {"localhost": {"*"}}),
        ("local", None, {"127.0.0.1": {"*"}, "localhost": {"*"}}),
    ],
)  # fmt: skip
def test_a_host_is_served_at_its_usual_port_unless_it_names_one(
    environment: str, hosts: str | None, ports: dict[str, set[str]]
) -> None:
    code = "import config.settings as settings; assert settings.ALLOWED_HOSTS == list(settings.ALLOWED_PORTS); print(settings.ALLOWED_PORTS)"
    result = start({"APP_ENV": environment, "ALLOWED_HOSTS": hosts}, code)
    assert ast.literal_eval(result.stdout) == ports, result.stderr


def test_local_has_defaults_but_for_what_scripts_run_generates() -> None:
    generated = {name: STRONG[name] for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "SECOND_FACTOR_KEY")}
    unset = dict.fromkeys(STRONG.keys() - {"PG_HOST", "PG_PASSWORD"})
    result = start(unset | generated)
    assert (result.returncode, result.stdout) == (0, "hidden-admin/ prefer\n"), result.stderr
    result = start({"APP_ENV": None, "SECRET_KEY": None})
    assert "let scripts/run generate it" in result.stderr


def test_a_login_to_no_mail_server_is_refused_locally_too() -> None:
    result = start({"APP_ENV": "local", "EMAIL_HOST": None})
    assert "ImproperlyConfigured: EMAIL_HOST is empty: name the mail server of EMAIL_HOST_USER." in result.stderr


@pytest.mark.parametrize(("urls", "starts"), [("config.urls", True), ("config.tests.forgotten_urls", False)])
def test_the_server_does_not_start_with_a_route_that_the_policy_does_not_know(urls: str, starts: bool) -> None:
    code = f"import config.settings as settings; settings.ROOT_URLCONF = {urls!r}; import config.wsgi"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "eecrm", capture_output=True, text=True, check=False
    )
    assert (result.returncode == 0) == starts, result.stderr
    assert ("The route /forgotten/ does list on no resource" in result.stderr) != starts


@pytest.mark.parametrize(
    ("path", "served"),
    [("fjord7quartz", "fjord7quartz/"), ("/a/b-c_d.e~f/g1h/", "a/b-c_d.e~f/g1h/"), ("19283746", "19283746/")],
)
def test_the_admin_site_has_a_plain_path(path: str, served: str) -> None:
    assert start({"ADMIN_URL": path}).stdout == f"{served} verify-full\n"


@pytest.mark.parametrize("factor", ["0.0001", "1", "100000"])
def test_every_limit_fits_into_the_database_whatever_the_factor(factor: str) -> None:
    code = "import config.settings as settings; print(min(settings.RATE_LIMITS.values()), max(settings.RATE_LIMITS.values()))"
    result = start({"RATE_LIMIT_FACTOR": factor}, f"{code}; assert max(settings.RATE_LIMITS.values())[0] < 2**31")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("name", "value"), [("WEB_CONCURRENCY", "0"), ("WEB_CONCURRENCY", "-1"), ("PORT", "65536")])
def test_the_web_server_tells_a_number_out_of_range(name: str, value: str) -> None:
    code = f"import runpy; runpy.run_path({str(ROOT / 'deploy' / 'gunicorn.conf.py')!r})"
    assert start({}, code).returncode == 0
    assert f"ImproperlyConfigured: {name} is a number from 1 to" in start({name: value}, code).stderr
    assert "ImproperlyConfigured: 2 variables are wrong:" in start({name: value, "DEBUG": "true"}, code).stderr


def test_groups_are_named_in_one_spelling() -> None:
    code = "import config.settings as settings; print(settings.GROUPS)"
    assert start({"GROUPS": " Couriers ,Ｎｉｇｈｔ\u00a0 shift\u200b"}, code).stdout == "['Couriers', 'Night shift']\n"


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfAPP_ENV=production\nPORT=81\n", b"export APP_ENV=production\nexport\tPORT=81\n",
        b"# a comment\r\n\r\nAPP_ENV=production\r\n  PORT=81\r\n", b"APP_ENV=production\rPORT=81",
        b"APP_ENV = 'production'\nPORT=\"81\"\n",
    ],
)  # fmt: skip
def test_a_file_of_settings_is_read_as_a_shell_or_an_editor_wrote_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_bytes(content)
    assert read_variables(tmp_path / "settings.env") == {"APP_ENV": "production", "PORT": "81"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"A=1\nAPP_ENV: production\n", "Line 2 of {} isn't NAME=value, a comment or empty."),
        (b"export APP_ENV\n", "Line 1 of {} isn't NAME=value, a comment or empty."),
        ("\u200bAPP_ENV=production\n".encode(), "Line 1 of {} isn't NAME=value, a comment or empty."),
        ("APP_ENV=production".encode("utf-16-le"), "Line 1 of {} isn't NAME=value, a comment or empty."),
        ("APP_ENV=production".encode("utf-16"), "Line 1 of {} isn't UTF-8."),
        (b"A=1\n\nPG_PASSWORD=caf\xe9\n", "Line 3 of {} isn't UTF-8."),
    ],
)
def test_a_line_that_cannot_be_read_stops_the_start_by_its_number(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    """Were it skipped, a server of production would start as a local one."""
    file = tmp_path / "settings.env"
    file.write_bytes(content)
    assert_that_each_reader_refuses(file, sentence.format(file))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Path.mkdir, "{} can't be read: Is a directory."),
        (os.mkfifo, "{} can't be read: it is a pipe."),
        (lambda path: path.symlink_to("missing"), "{} is a link to a file that doesn't exist."),
    ],
)
def test_what_is_no_file_stops_the_start(make: Callable[[Path], None], sentence: str, tmp_path: Path) -> None:
    """Docker makes a directory where a file that it shall mount is missing."""
    file = tmp_path / "settings.env"
    make(file)
    assert_that_each_reader_refuses(file, sentence.format(file))


def test_a_file_that_this_account_may_not_read_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("APP_ENV=production")
    file.chmod(0)
    account = os.geteuid()
    try:
        if account == 0:  # root reads every file
            os.seteuid(65534)
        with pytest.raises(WrongFile, match=f"^{file} can't be read: Permission denied.$"):
            read_variables(file)
    finally:
        os.seteuid(account)


def assert_that_each_reader_refuses(file: Path, sentence: str) -> None:
    result = start({"APP_ENV": None, "EECRM_HOME": str(file.parent)})
    assert result.stderr.rstrip().endswith(f"ImproperlyConfigured: {sentence}")
    code = f"import dotenv, processes; processes.status_of(lambda: dotenv.read(dotenv.Path({str(file)!r})))"
    environment = {"PYTHONPATH": str(ROOT / "tools" / "local"), "PATH": os.environ["PATH"]}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    ).stderr
    assert told == f"{sentence}\n"


def test_every_variable_that_is_read_is_in_the_sample() -> None:
    sample = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.sample").read_text(), re.MULTILINE))
    # bootstrap.sql reads passwords that no program does.
    bootstrap = (ROOT / "deploy" / "postgres" / "bootstrap.sql").read_text()
    read = set(re.findall(r"^\\getenv \w+ ([A-Z_]+)", bootstrap, re.MULTILINE))
    for folder in ("eecrm", "scripts", "tools", "deploy", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if "tests" not in path.parts:
                text = path.read_text()
                read |= set(re.findall(r"""\b(?:env|number|_count|_?chosen)\(\s*["']([A-Z_]+)["']""", text))
                read |= set(re.findall(r"""\bsettings(?:\.get\(|\[)["'](PG_[A-Z_]+)["']""", text))
    assert read == sample


def test_requirements_are_pinned_exactly() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-local.txt"):
        for line in (ROOT / name).read_text().split():
            if not line.startswith(("-r", "requirements", "#")):
                assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9.]+", line), line
