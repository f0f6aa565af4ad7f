"""`scripts/manage`: manage.py with the settings and the database of scripts/run, whether that runs or not."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from config.environment import ROOT
from config.tests.starts import start
from config.tests.test_scripts import home, port, running  # noqa: F401  # fixtures, and what runs scripts/run
from conftest import PATIENCE


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
