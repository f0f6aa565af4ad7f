"""The README tells the truth: its matrix is the policy table, its accounts are the demo's, its workflow runs."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from django.db import connection

from access.policy import MATRIX_ROLES, TABLE, Scope
from config.environment import ROOT
from conftest import PATIENCE
from events.demo.accounts import ACCOUNTS, PASSWORD

README = (ROOT / "README.md").read_text()
WORKFLOW = README.partition("```bash\n")[2].partition("```")[0]
NOUNS = ("client", "contract", "event")
MAX_LINES = 120


def cells(scopes: list[Scope]) -> str:
    """A row's cells in Markdown. An empty cell is none."""
    return " | ".join("" if scope is Scope.NONE else scope.value for scope in scopes).replace("  ", " ").strip()


def matrix() -> str:
    """The rows of the nouns. Actions of one noun with the same cells share a row, at the place of the first one."""
    rows: dict[tuple[str, str], list[str]] = {}
    for resource, action, *scopes in TABLE:
        if resource in NOUNS:
            rows.setdefault((resource, cells(scopes)), []).append(action)
    lines = ["| | | " + " | ".join(MATRIX_ROLES) + " |", "| --- " * (len(MATRIX_ROLES) + 2) + "|"]
    lines += [
        f"| {noun} | {', '.join(actions)} | {row} |".replace("|  |", "| |") for (noun, row), actions in rows.items()
    ]
    return "\n".join(lines)


def test_the_matrix_of_the_nouns_is_the_policy_table() -> None:
    shown = README.split("test_readme.py -->\n")[1].split("\n<!-- end of matrix")[0]
    assert shown == matrix(), f"the README should say:\n{matrix()}"


def test_the_page_of_rules_has_the_rest_of_the_matrix() -> None:
    """Read here from the page itself, a section for each resource: README.md leaves all but the nouns to it."""
    page = (ROOT / "docs" / "access.md").read_text()
    shown = {}
    for section in page.partition("## The table")[2].partition("\n## ")[0].split("\n### ")[1:]:
        title, table, *_ = section.split("\n\n")
        resource = title.strip().replace(" ", "_")
        _, _, *rows = table.splitlines()
        for row in rows:
            action, *words = [cell.strip() for cell in row.strip("|").split("|")]
            shown[resource, action] = words
    stated = {
        (resource, action): ["" if scope is Scope.NONE else scope.value for scope in scopes]
        for resource, action, *scopes in TABLE
    }
    assert shown == stated


def test_its_accounts_are_those_of_the_demo() -> None:
    section = README.split("## Demo accounts\n")[1].split("\n## ")[0]
    by_role: dict[str, set[str]] = {}
    for account in ACCOUNTS:
        by_role.setdefault(account.role.value, set()).add(account.username)
    shown = {}
    for line in section.strip().splitlines()[2:5]:
        columns = [cell.strip() for cell in line.strip("|").split("|")]
        for role, names in (columns[:2], columns[3:]):
            shown[role.split()[0]] = set(re.findall("`(.+?)`", names))
    assert shown == by_role
    assert f"`{PASSWORD}`" in section and f"password='{PASSWORD}'" in WORKFLOW


def test_it_is_short() -> None:
    lines = README.splitlines()
    assert len(lines) <= MAX_LINES
    assert [line for line in lines if len(line) > 120] == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(in_the_open: None, tmp_path: Any) -> Iterator[str]:
    """gunicorn on the demo data, in this test's own database."""
    port = free_port()
    environment = os.environ | {
        "PG_DATABASE": connection.settings_dict["NAME"],
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
    }
    subprocess.run(
        [sys.executable, ROOT / "eecrm/manage.py", "load_demo"], env=environment, check=True, capture_output=True
    )
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "deploy/gunicorn.conf.py")]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stderr=log, stdout=log) as process,
    ):
        try:
            wait_until_it_answers(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def wait_until_it_answers(port: int, process: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            live = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            live.request("GET", "/health/live/")
            if live.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            live.close()
    raise AssertionError("the server didn't start")


def walk(*shell: str, api: str, **how: Any) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"API": api}
    return subprocess.run(shell, env=environment, capture_output=True, text=True, check=False, **how)


def test_the_workflow_runs_as_it_is_written_more_than_once(server: str) -> None:
    for _ in range(2):
        result = walk("bash", "-c", WORKFLOW, api=f"{server}/api/v1")
        assert result.returncode == 0, result.stdout + result.stderr
        answers = [line for line in result.stdout.splitlines() if not re.match(r"\d\. ", line)]
        assert answers == ["client", "signed", "Gala", "in_progress", "closed", "in_progress"]
        _, refusal = result.stderr.splitlines()  # the first line is of curl itself
        assert '"rule":"event_closed_read_only"' in refusal


def test_the_workflow_stops_at_the_first_error_and_leaves_the_shell_open(server: str) -> None:
    """As it is pasted into an interactive shell."""
    broken = WORKFLOW.replace('"amount": "48000"', '"amount": "-1"')
    assert broken != WORKFLOW
    result = walk("bash", "--norc", "-i", api=f"{server}/api/v1", input=f"{broken}echo still open\n")
    assert "3. Sales creates a contract." in result.stdout and "4. Sales" not in result.stdout
    assert '"#/amount"' in result.stderr
    assert result.stdout.endswith("still open\n")


def test_the_python_example_runs(server: str) -> None:
    """With the standard library alone, as docs/api.md says: isolated from what is installed here."""
    command = [sys.executable, "-I", "-S", str(ROOT / "examples/workflow.py")]
    environment = os.environ | {"API": f"{server}/api/v1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    said = result.stdout.splitlines()
    assert [line[:2] for line in said] == ["1.", "2.", "3.", "4.", "5.", "6.", "7.", "7.", "8.", "8."]
    assert "(409, event_closed_read_only)" in said[-2]
    assert said[-1] == "8. Management has reopened it: in_progress."
