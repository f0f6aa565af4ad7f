"""What `manage.py verify_audit` says, and what only a seal noted outside can tell."""

import io
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from api.requests.logs import JSONFormatter
from audit.tests.conftest import Trail
from audit.trail import seals
from config.environment import ROOT


@pytest.fixture
def noted(trail: Trail) -> str:
    """A trail of two seals; the last one as it was written down."""
    trail.seal_up_to(trail.grow(3)[1])
    trail.seal_up_to(trail.grow(3)[1])
    return trail.one("SELECT id || ':' || encode(hash, 'hex') FROM audit.seal ORDER BY id DESC LIMIT 1")


def test_the_last_seal_is_printed_to_be_noted(noted: str, verify: Any) -> None:
    assert verify("--last").lines == [noted]
    assert verify("--verbosity=0", "--expect", noted).failure == ""


def test_a_seal_that_was_noted_stands_while_the_trail_grows(noted: str, trail: Trail, verify: Any) -> None:
    trail.seal_up_to(trail.grow(3)[1])
    assert verify("--verbosity=0", "--expect", f" {noted.upper()} ").failure == ""


def test_a_trail_that_was_cut_off_at_its_end_shows_by_the_noted_seal_alone(
    noted: str, trail: Trail, verify: Any
) -> None:
    trail.run("DELETE FROM audit.entry WHERE id >= (SELECT first_id FROM audit.seal WHERE id = 2)")
    trail.run("DELETE FROM audit.seal WHERE id = 2")
    assert verify("--verbosity=0").failure == ""
    verdict = verify("--verbosity=0", "--expect", noted)
    assert verdict.problems == ["Seal 2 is not the one that was noted: the trail was rewritten from there on."]
    assert verdict.failure == "The trail is not what it was: 1 problem in 1 seal of 3 entries."


def test_a_trail_that_was_rewritten_and_sealed_anew_shows_by_the_noted_seal_alone(
    noted: str, trail: Trail, verify: Any
) -> None:
    trail.run("UPDATE audit.entry SET actor_name = 'somebody else'; DELETE FROM audit.seal")
    trail.seal_up_to(trail.grow(1)[1])
    trail.seal_up_to(trail.grow(1)[1])
    assert verify("--verbosity=0").failure == ""
    assert verify("--verbosity=0", "--expect", noted).problems[0].startswith("Seal 2 is not the one that was noted")


def test_an_empty_trail_holds_and_has_no_last_seal(trail: Trail, verify: Any) -> None:
    assert verify().lines == ["Not sealed yet: 0 entries.", "The trail holds: 0 seals of 0 entries."]
    assert verify("--last").failure == "Nothing is sealed yet."


@pytest.mark.parametrize("text", ["", "2", "2:", "x:" + "0" * 64, "2:" + "g" * 64, "2:" + "0" * 63, "-1:" + "0" * 64])
def test_what_is_no_seal_is_refused_as_an_expectation(text: str) -> None:
    with pytest.raises(CommandError, match="a seal is noted as ID:HASH, which is how --last prints it"):
        call_command("verify_audit", f"--expect={text}")


def test_each_seal_is_in_the_log_as_it_must_be_expected(trail: Trail, verify: Any) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logging.getLogger("eecrm.audit").addHandler(handler)
    try:
        _, last = trail.grow(3)
        trail.seal_up_to(last)
    finally:
        logging.getLogger("eecrm.audit").removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    number, digest = verify("--last").lines[0].split(":")
    assert f'"message":"trail_sealed","seal":{number},"last_id":{last},"entries":3,"hash":"{digest}"' in line


def test_a_seal_that_was_rolled_back_is_not_logged(trail: Trail, caplog: Any, monkeypatch: Any) -> None:
    trail.grow(3)
    seals.seal_entries()
    trail.run("ALTER TABLE audit.seal ADD CONSTRAINT none CHECK (id < 0)")
    try:
        with pytest.raises(Exception, match="none"):
            while True:
                seals.seal_entries()
    finally:
        trail.run("ALTER TABLE audit.seal DROP CONSTRAINT none")
    assert "trail_sealed" not in [record.message for record in caplog.records]


def test_as_a_command_it_shows_no_bar_to_a_file_and_fails_with_1(noted: str, trail: Trail) -> None:
    environment = os.environ | {"PG_DATABASE": connection.settings_dict["NAME"]}

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "eecrm" / "manage.py", "verify_audit"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    good = run()
    assert (good.returncode, good.stderr) == (0, ""), good.stderr
    assert good.stdout == "Not sealed yet: 0 entries.\nThe trail holds: 2 seals of 6 entries.\n"
    trail.run("DELETE FROM audit.entry WHERE id = (SELECT last_id FROM audit.seal WHERE id = 1)")
    bad = run()
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[0].endswith("doesn't hold: 1 entry removed.")
    assert bad.stderr == "CommandError: The trail is not what it was: 1 problem in 2 seals of 6 entries.\n"


def test_a_bar_tells_whoever_watches_how_far_it_is(noted: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    call_command("verify_audit", stdout=io.StringIO())
    assert "Verifying: 100%" in capsys.readouterr().err
    call_command("verify_audit", "--verbosity=0", stdout=io.StringIO())
    assert capsys.readouterr().err == ""
