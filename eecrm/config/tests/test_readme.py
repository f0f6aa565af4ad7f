"""The README tells the truth: its matrix is the policy table, its workflow runs."""

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

README = (ROOT / "README.md").read_text()
NOUNS = ("client", "contract", "event", "user")


def matrix() -> str:
    """The rows of the nouns, as Markdown: an empty cell is none."""
    lines = ["| | | " + " | ".join(MATRIX_ROLES) + " |", "| --- " * (len(MATRIX_ROLES) + 2) + "|"]
    for resource, action, *scopes in TABLE:
        if resource in NOUNS:
            cells = ["" if scope is Scope.NONE else scope.value for scope in scopes]
            lines.append(f"| {resource} | {action} | {' | '.join(cells)} |".replace("  ", " "))
    return "\n".join(lines)


def test_the_matrix_is_the_policy_table() -> None:
    shown = README.split("test_readme.py -->\n")[1].split("\n<!-- end of matrix")[0]
    assert shown == matrix(), f"the README should say:\n{matrix()}"


def test_every_file_that_the_readme_names_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


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


def test_the_workflow_runs_as_it_is_written(server: str) -> None:
    lines = README.split("```bash\n")[1].split("```")[0]
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        env=os.environ | {"API": f"{server}/api/v1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    said = result.stdout.splitlines()
    assert [said[0], *said[2:6]] == ["client", said[2], "in_progress", "closed", "in_progress"]
    assert said[1].startswith("20")
    assert '"rule":"client.delete.support.none"' in said[6]


def test_the_python_example_runs(server: str) -> None:
    """With the standard library alone, as the README says: isolated from what is installed here."""
    command = [sys.executable, "-I", "-S", str(ROOT / "examples/workflow.py")]
    environment = os.environ | {"API": f"{server}/api/v1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    said = result.stdout.splitlines()
    assert [line[:2] for line in said] == ["1.", "2.", "3.", "4.", "5.", "6.", "7.", "7.", "8.", "8."]
    assert "(409, event_closed_read_only)" in said[-2]
    assert said[-1] == "8. Management has reopened it: in_progress."


def test_the_readme_quotes_the_python_example_word_for_word() -> None:
    example = (ROOT / "examples/workflow.py").read_text()
    for quoted in README.split("```python\n")[1:]:
        assert quoted.split("```")[0].strip() in example
