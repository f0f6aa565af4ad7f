"""`scripts/manage`: manage.py with the settings and the database of scripts/run, whether that runs or not."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection

from access.refusals import READ_ONLY, UNAVAILABLE
from config.environment import ROOT
from config.tests.starts import start
from config.tests.test_scripts import home, port, running  # noqa: F401  # fixtures, and what runs scripts/run
from conftest import PATIENCE, World


def manage(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG_")}
    return subprocess.run(
        [ROOT / "scripts/manage", *arguments], env=inherited | {"EECRM_HOME": str(home)}, capture_output=True, text=True,
        timeout=PATIENCE * 2, check=False,
    )  # fmt: skip


def test_a_command_runs_beside_the_demo_and_without_it(home: Path, port: int) -> None:
    (home / "venv").symlink_to(sys.prefix)
    with running(home, port):
        token = manage(home, "print_token", "OC-Salesman").stdout.strip()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/users/me/", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            assert json.load(answer)["username"] == "oc-salesman"
        refused = manage(home, "print_token", "nobody")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "There is no active account nobody." in refused.stderr
    alone = manage(home, "migrate", "--plan")  # refused to any role but the migrator
    assert (alone.returncode, "No planned migration operations" in alone.stdout) == (0, True), alone.stderr
    assert json.loads((home / "processes.json").read_text()) == []


def test_nobody_prints_a_token_in_production() -> None:
    code = (
        "import django; django.setup(); from django.core.management import call_command;"
        "call_command('print_token', 'oc-salesman')"
    )
    result = start({"DJANGO_SETTINGS_MODULE": "config.settings"}, code)
    assert result.returncode == 1
    assert "APP_ENV is production" in result.stderr


MANAGE = """
import os, runpy, sys
sys.argv = ["manage.py", *{arguments}]
status = 0
try:
    runpy.run_path("manage.py", run_name="__main__")
except SystemExit as end:
    status = end.code
    if isinstance(status, str):
        print(status, file=sys.stderr)
sys.stdout.flush()
sys.stderr.flush()
os._exit(status if isinstance(status, int) else bool(status))
"""
# Maps each command that uses the database to its arguments.
USES_DATABASE = {
    "bind_identity": "sales subject",
    "changepassword": "sales",
    "confirm_address": "sales sales@epic.example",
    "create_first_manager": "--username first --email first@epic.example",
    "createsuperuser": "--no-input --username root --email root@epic.example",
    "encrypt_second_factors": "",
    "export_users": "-",
    "hand_over": "sales other_sales --reason leaves",
    "import_clients": "{clients} --sales-contact sales",
    "import_users": "{accounts}",
    "load_demo": "",
    "migrate": "",
    "print_token": "sales",
    "purge_idempotency_keys": "",
    "reset_password": "sales",
    "reset_second_factor": "sales",
    "restore": "client 7 --reason mistake",
    "run_worker": "--once",
    "sync_database": "--check",
    "verify_audit": "",
}
USES_NONE = {"addstatictoken", "check_production", "send_test_mail"}
ANSWERS_MAIL_SERVERS = {"note_bounce": "--address new@epic.example"}  # by their exit status
# These read first, and find nothing to write in this test. The worker says in its log what each job met.
WRITES_NOTHING = {
    "confirm_address",
    "create_first_manager",
    "migrate",
    "restore",
    "run_worker",
    "sync_database",
    "verify_audit",
}


def run_command(name: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    accounts, clients = folder / "accounts.csv", folder / "clients.csv"
    accounts.write_text("username,email\nnew,new@epic.example\n")
    clients.write_text("company name,first name,last name,email\nNew,A,B,new@epic.example\n")
    arguments = [name, *(USES_DATABASE | ANSWERS_MAIL_SERVERS)[name].format(accounts=accounts, clients=clients).split()]
    database = {name: value for name, value in os.environ.items() if name.startswith("PG_")}
    provider = {name: "https://provider.example/" for name in ("OIDC_ISSUER", "OIDC_JWKS_URL", "OIDC_CLIENT_IDS")}
    environment = {"APP_ENV": "local", "PG_SSLROOTCERT": None, "DJANGO_SUPERUSER_PASSWORD": "quite a long phrase"}
    chosen = environment | provider | database | {"PG_DATABASE": connection.settings_dict["NAME"]} | variables
    return start(chosen, MANAGE.format(arguments=arguments))


def test_each_command_is_known_to_use_the_database_or_not() -> None:
    others = ("django.", "rest_framework", "drf_")
    ours = {config.name for config in apps.get_app_configs() if not config.name.startswith(others)}
    assert {name for name, app in get_commands().items() if app in ours} == {
        *USES_DATABASE,
        *USES_NONE,
        *ANSWERS_MAIL_SERVERS,
    }


@pytest.mark.parametrize("name", USES_DATABASE)
def test_a_command_without_its_database_ends_with_a_sentence(name: str, db: None, tmp_path: Path) -> None:
    result = run_command(name, tmp_path, PG_PORT="1")
    assert result.returncode == 1
    assert UNAVAILABLE.sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mail_server_keeps_a_report_while_there_is_no_database(db: None, tmp_path: Path) -> None:
    result = run_command("note_bounce", tmp_path, PG_PORT="1")
    assert (result.returncode, result.stderr) == (
        os.EX_TEMPFAIL,
        "CommandError: The database can't be reached: try again later.\n",
    )


# `changepassword` would ask for a password on the terminal before it writes.
@pytest.mark.parametrize("name", sorted(USES_DATABASE.keys() - {"changepassword"}))
def test_a_command_on_a_read_only_database_ends_with_a_sentence(
    name: str, committed_world: World, tmp_path: Path
) -> None:
    result = run_command(name, tmp_path, PGOPTIONS="-c default_transaction_read_only=on")
    assert (READ_ONLY.sentence in result.stderr) == (name not in WRITES_NOTHING)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", sorted(USES_DATABASE))
def test_an_argument_that_is_not_utf_8_ends_with_a_sentence(name: str) -> None:
    arguments = [name, *USES_DATABASE[name].split(), os.fsdecode(b"Ren\xe9")]
    result = start({}, MANAGE.format(arguments=arguments))
    assert (result.returncode, result.stderr) == (1, f"CommandError: Argument {len(arguments)} isn't UTF-8.\n")


def test_no_command_reads_a_number_by_itself() -> None:
    for name in (*USES_DATABASE, *USES_NONE, *ANSWERS_MAIL_SERVERS):
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        assert not [action.dest for action in parser._actions if action.type in (int, float) and not action.choices], (
            name
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("verify_audit --max-unsealed-age={}", "write a number from 0 to 31,536,000."),
        ("run_worker --once --lease={}", "write a number from 1 to 86,400."),
        ("load_demo --clients={}", "write a whole number from 1 to 10,000,000."),
        ("restore --reason=mistake client {}", "write a whole number from 1 to 9,223,372,036,854,775,807."),
        ("restore --reason=mistake --undo={}", "write a whole number from 1 to 9,223,372,036,854,775,807."),
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e999", "٣", "1_0", "", "9" * 5_000, "x"])
def test_a_number_out_of_reason_ends_with_a_sentence(arguments: str, sentence: str, number: str) -> None:
    name, *others = arguments.split()
    with pytest.raises(CommandError, match=re.escape(sentence)):
        call_command(name, *(other.format(number) for other in others))


def test_a_bug_in_a_command_has_its_traceback(committed_world: World, tmp_path: Path) -> None:
    result = run_command("print_token", tmp_path, PGOPTIONS="-c search_path=pg_catalog")
    assert result.returncode == 1
    assert "Traceback" in result.stderr and 'relation "accounts_user" does not exist' in result.stderr
