"""`scripts/run` as processes: each knows its own secrets, no file is open to others, and a killed run leaves nothing behind."""

import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.environment import HOME, ROOT
from conftest import PATIENCE

LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system has no /proc")
# Logins that the web server and the worker must not know, as their variables begin.
OTHERS = ("PG_ADMIN_", "PG_MIGRATOR_", "PG_READONLY_", "PG_REPORT_", "PG_BACKUP_")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for the state, with a space in its name, as every path may have."""
    made = Path(tempfile.mkdtemp(prefix="a home ", dir=HOME))
    (made / "lock").write_text("1 scripts/run\n")  # of an earlier run, so that tests may put files beside it
    yield made
    shutil.rmtree(made)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(home: Path, port: int | str) -> "subprocess.Popen[bytes]":
    """scripts/run with a umask that opens everything, and a log beside its state."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG_")}
    variables = {"EECRM_HOME": str(home), "PORT": str(port), "WEB_CONCURRENCY": "1", "PG_BACKUP_PASSWORD": "of another"}
    with (home / "run.log").open("ab") as log:
        return subprocess.Popen([ROOT / "scripts/run"], env=inherited | variables, stdout=log, stderr=log, umask=0)


def said(home: Path) -> str:
    return (home / "run.log").read_text()


def wait_until(holds: Callable[[], Any], home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, said(home)[-3000:]
        time.sleep(0.05)


@contextmanager
def running(home: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    (home / "run.log").write_text("")
    process = command(home, port)
    try:
        wait_until(lambda: "Ctrl-C stops it." in said(home) or process.poll() is not None, home)
        assert process.poll() is None, said(home)
        wait_until(lambda: len(entries(home)) == 3, home)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def entries(home: Path) -> dict[str, int]:
    """The processes that are written down: `{"gunicorn": …, "run_worker": …, "postgres": …}`."""
    written = json.loads((home / "processes.json").read_text())
    return {name: pid for name in ("gunicorn", "run_worker", "postgres") for pid, _, line, _ in written if name in line}


def is_alive(pid: int) -> bool:
    """Not as a zombie, which waits for an init that some containers don't have."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.startswith("Z")


def variables_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_that_each_knows_its_own_secrets(home: Path) -> None:
    server = (home / "postgres" / "server.env").read_text()
    passwords = {line.split("=")[1] for line in server.splitlines() if line.startswith(OTHERS) and "PASSWORD" in line}
    assert len(passwords) >= 2
    written, found = (home / "settings.env").read_text(), entries(home)
    assert "PG_PASSWORD=" in written
    assert not any(password in written for password in passwords)
    processes = [found["gunicorn"], *children_of(found["gunicorn"]), found["run_worker"]]
    assert len(processes) == 3
    for pid in processes:
        variables = variables_of(pid)
        assert not [name for name in variables if name.startswith(OTHERS)]
        assert not passwords & set(variables.values())
    assert not variables_of(found["postgres"]).keys() - {"PATH", "LC_ALL"}


def assert_that_no_file_is_open_to_others(home: Path) -> None:
    assert {"mail", "settings.env", "migrator.env", "lock", "processes.json"} <= {path.name for path in home.iterdir()}
    for path in [home, *home.rglob("*")]:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or (home / "venv") in path.parents:
            continue
        # PostgreSQL's own account, where that isn't ours, may pass to its data: through a directory, by its group.
        way = stat.S_IXGRP if path in (home, home / "postgres") and os.geteuid() == 0 else 0
        assert stat.S_IMODE(status.st_mode) & 0o077 == way, path


@LINUX
def test_a_killed_run_leaves_nothing_that_the_next_does_not_stop(home: Path, port: int) -> None:
    (home / "venv").symlink_to(sys.prefix)
    (home / "mail").mkdir()
    (home / "mail" / "old.eml").touch()
    for path, mode in ((home, 0o755), (home / "mail", 0o777), (home / "mail" / "old.eml", 0o666)):
        path.chmod(mode)  # as an earlier run may have left it
    with running(home, port) as first:
        before = entries(home)
        assert len(said(home).splitlines()) <= 40, "a first start takes one screen"
        assert_that_each_knows_its_own_secrets(home)
        assert_that_no_file_is_open_to_others(home)
        first.kill()
        first.wait(PATIENCE)
        assert all(map(is_alive, before.values()))
    for path, mode in ((home / "postgres", 0o755), (home / "postgres" / "log", 0o666)):
        path.chmod(mode)
    with running(home, port):
        assert_that_no_file_is_open_to_others(home)
        for pid in before.values():
            assert not is_alive(pid)
            assert f"Stopping process {pid}, which an earlier run left behind" in said(home)
        after = entries(home)
        assert not set(after.values()) & set(before.values())
    assert not any(map(is_alive, after.values()))
    assert entries(home) == {}


@LINUX
def test_a_run_whose_database_was_killed_ends_and_says_so(home: Path, port: int) -> None:
    (home / "venv").symlink_to(sys.prefix)
    with running(home, port) as run:
        before = entries(home)
        os.kill(before["postgres"], signal.SIGKILL)
        assert run.wait(PATIENCE) == 1
        assert "PostgreSQL has ended, so this ends too." in said(home)
    assert not any(map(is_alive, before.values()))
    with running(home, port):
        pass


@contextmanager
def bystander(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that isn't ours to stop; with "listen" it prints its port."""
    code = (
        "import socket, sys\n"
        "line = socket.create_server(('127.0.0.1', 0))\n"
        "print(line.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_taken_port_is_named_with_its_process_before_anything_is_installed(home: Path) -> None:
    with bystander("a bystander") as other:
        taken = int(other.stdout.readline())  # type: ignore[union-attr]  # it has pipes
        assert command(home, taken).wait(PATIENCE) == 1
        assert other.poll() is None
    assert said(home).startswith(f"Port {taken} of 127.0.0.1 is taken by process {other.pid} (")
    assert "a bystander): stop what listens there, or choose another one with PORT." in said(home)
    assert not (home / "venv").exists()
    assert not (home / "settings.env").exists()


@pytest.mark.parametrize(("value", "words"), [("", "empty"), ("80a", "80a"), ("0", "0"), ("٨٠٠٠", "٨٠٠٠")])
def test_a_port_that_is_none_is_refused_before_anything_is_installed(value: str, words: str, home: Path) -> None:
    (home / "run.log").write_text("")
    assert command(home, value).wait(PATIENCE) == 1
    assert said(home) == f"PORT must be a number from 1 to 65535, not {words}.\n"
    assert not (home / "venv").exists()
    assert not (home / "settings.env").exists()


TOOLS = {"PYTHONPATH": str(ROOT / "tools" / "local"), "PATH": os.environ["PATH"]}


@pytest.mark.parametrize(("before", "status"), [([], 128 + signal.SIGHUP), (["nohup"], 7)])
def test_the_end_of_the_terminal_stops_a_script_without_nohup(before: list[str], status: int) -> None:
    code = """
import os, signal, sys, processes
def program():
    os.kill(os.getpid(), signal.SIGHUP)
    processes.check_stopped()
    return 7
sys.exit(processes.status_of(program))
"""
    # The tests themselves may run under nohup.
    without = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", without, *before, sys.executable, "-c", code]
    run = subprocess.run(command, env=TOOLS, capture_output=True, check=False)
    assert run.returncode == status, run.stderr


def started_at(pid: int) -> str:
    ask = [sys.executable, "-c", f"import system; print(system.started_at({pid}))"]
    return subprocess.run(ask, env=TOOLS, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("is_ours", [True, False])
def test_only_the_process_that_was_written_down_is_stopped(is_ours: bool, home: Path) -> None:
    """Its number may be another process's by now: the moment of its start tells them apart."""
    with bystander() as holder, bystander() as other:
        taken = int(holder.stdout.readline())  # type: ignore[union-attr]  # it has pipes
        other.stdout.readline()  # type: ignore[union-attr]  # as above
        entry = [
            other.pid,
            started_at(other.pid) if is_ours else "yesterday",
            "run_worker",
            [signal.SIGTERM, signal.SIGKILL],
        ]
        (home / "processes.json").write_text(json.dumps([entry]))
        assert command(home, taken).wait(PATIENCE) == 1
        assert is_alive(other.pid) != is_ours
        assert ("which an earlier run left behind (run_worker)" in said(home)) == is_ours


@LINUX
@pytest.mark.parametrize("age", [0, 1, None])
def test_the_children_of_a_leader_that_was_killed_are_stopped_too(age: int | None, home: Path) -> None:
    """As of gunicorn's master: its workers have the port. Those that began before it, or in another life of the machine, are
    strangers'."""
    code = "import os, time; child = os.fork(); child and print(child, flush=True); time.sleep(600)"
    with (
        bystander() as holder,
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as leader,
    ):
        taken = int(holder.stdout.readline())  # type: ignore[union-attr]  # it has pipes
        child = int(leader.stdout.readline())  # type: ignore[union-attr]  # as above
        try:
            ticks, _, rest = started_at(leader.pid).partition(" ")
            leader.kill()
            leader.wait()
            started = "yesterday" if age is None else f"{int(ticks) + 10_000 * age} {rest}"
            entry = [leader.pid, started, "gunicorn", [signal.SIGTERM, signal.SIGKILL]]
            (home / "processes.json").write_text(json.dumps([entry]))
            assert command(home, taken).wait(PATIENCE) == 1
            assert is_alive(child) == (age != 0)
            assert ("which an earlier run left behind (gunicorn)" in said(home)) == (age == 0)
        finally:
            if is_alive(child):
                os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("lock", [None, Path.mkdir, Path.touch, lambda path: path.write_text("4711\n")])
def test_a_directory_with_files_of_others_is_refused_and_keeps_its_rights(
    lock: Callable[[Path], Any] | None, home: Path, port: int
) -> None:
    """As /var and /run, where `lock` is a directory, and /var/lib/dpkg, where it is an empty file."""
    (home / "lock").unlink()
    if lock:
        lock(home / "lock")
        (home / "lock").chmod(0o755)
    home.chmod(0o755)
    (home / "index.html").write_text("a page of others")
    (home / "index.html").chmod(0o644)
    assert command(home, port).wait(PATIENCE) == 1
    assert said(home).startswith(f"{home} has files that no script of this project wrote")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "index.html")] == [0o755, 0o644]
    assert not lock or stat.S_IMODE((home / "lock").stat().st_mode) == 0o755


def test_a_second_run_with_the_same_state_is_refused_and_stops_nothing(home: Path) -> None:
    with bystander() as other, (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711 scripts/run\n")
        lock.flush()
        (home / "processes.json").write_text(json.dumps([[other.pid, "?", "run_worker", [signal.SIGTERM]]]))
        assert command(home, 1).wait(PATIENCE) == 1
        assert other.poll() is None
    assert said(home).startswith(f"scripts/run runs already with its state in {home} (process 4711): stop that one")


@pytest.mark.parametrize("text", ["", "no JSON", "[[1, 2]]", '{"a": 1}', '[[1, "x", "y", [15], "z"]]', '"text"', "[7]"])
def test_a_damaged_record_of_processes_is_as_none(text: str, home: Path) -> None:
    (home / "processes.json").write_text(text)
    with bystander() as holder:
        taken = int(holder.stdout.readline())  # type: ignore[union-attr]  # it has pipes
        assert command(home, taken).wait(PATIENCE) == 1
    assert said(home).startswith(f"Port {taken} of 127.0.0.1 is taken")
