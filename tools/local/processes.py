"""Child processes, and what becomes of them when somebody asks this one to stop.

A signal never interrupts our own code halfway: it is passed on to the children, and noticed where we wait for them.
So there is no moment at which a process has been started and nobody would stop it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import Any

from ledger import Ledger

Child = subprocess.Popen[bytes]
Command = Sequence[str | Path]

ONE_REQUEST = 2.0  # Seconds within which a second signal is the same request: some supervisors tell everybody twice.

_children: set[Child] = set()
_foundations: dict[Child, Callable[[], str]] = {}
_ledger: Ledger | None = None
_request: int | None = None
_requested_at = 0.0


class Failed(Exception):
    """What the person at the terminal should read, as a sentence."""


class Stopped(Exception):
    """Somebody asked us to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.status = 128 + signum


def say(message: str) -> None:
    print(message, flush=True)


def status_of(program: Callable[..., int], *arguments: str) -> int:
    """Runs a whole program so that it ends well when asked to, and with a sentence when it can't go on."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _on_signal)
    try:
        return program(*arguments)
    except Stopped as stopped:
        return stopped.status
    except Failed as failure:
        print(failure, file=sys.stderr)
    except PermissionError as error:
        print(f"This account can't use {error.filename}: choose another directory with EECRM_HOME.", file=sys.stderr)
    return 1


def check_stopped() -> None:
    if _request is not None:
        raise Stopped(_request)


def rely_on(child: Child, lost: Callable[[], str]) -> None:
    """`lost` is what to say when it ends before we do. Until it is forgotten."""
    _foundations[child] = lost


def check_foundations() -> None:
    for child, lost in _foundations.items():
        if child.poll() is not None:
            raise Failed(lost())


def keep_ledger(path: Path) -> None:
    """Stops what an earlier run left behind, and writes down what this one starts. For the one who holds the home's lock."""
    global _ledger
    _ledger = Ledger(path)
    for entry in _ledger.leftovers():
        say(f"Stopping process {entry.pid}, which an earlier run left behind ({entry.command}) …")
        entry.stop()


def record(child: Child, *signals: signal.Signals) -> None:
    """For the next run, which sends these signals one after another, should this one be killed."""
    if _ledger is not None:
        command = child.args if isinstance(child.args, (list, tuple)) else [child.args]
        _ledger.add(child.pid, " ".join(map(str, command))[:200], signals)


def forget(child: Child) -> None:
    _foundations.pop(child, None)
    if _ledger is not None:
        _ledger.remove(child.pid)


def start(command: Command, *, shares_terminal: bool = False, **options: Any) -> Child:
    """Starts a child that is asked to stop when we are.

    It has a session of its own, so that Ctrl-C reaches it once and through us, as SIGTERM. Only what a person talks to
    shares the terminal, which then tells it by itself.
    """
    check_stopped()
    child = subprocess.Popen(command, start_new_session=not shares_terminal, **options)
    _children.add(child)
    record(child, signal.SIGTERM, signal.SIGKILL)
    if _request is not None:
        _stop(child, _request)
    return child


def wait(child: Child) -> int:
    """Its status, as a shell would tell it."""
    try:
        status = child.wait()
    finally:
        _children.discard(child)
        forget(child)
    if _request is not None:
        _signal_session(child, signal.SIGTERM)  # What it left behind, as a shell does with the command that it ran.
    return status if status >= 0 else 128 - status


def run(command: Command, *, failure: str, **options: Any) -> None:
    status = wait(start(command, **options))
    check_stopped()
    if status:
        raise Failed(failure)


def run_together(command: Command, environments: Sequence[dict[str, str]], *, failure: str) -> None:
    """The same command in several environments at once, of which only one that failed is heard."""
    with ExitStack() as stack:
        outputs = [stack.enter_context(TemporaryFile()) for _ in environments]
        children = [
            start(command, env=environment, stdout=output, stderr=output)
            for environment, output in zip(environments, outputs, strict=True)
        ]
        statuses = [wait(child) for child in children]
        check_stopped()
        for status, output in zip(statuses, outputs, strict=True):
            if status:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))
                raise Failed(failure)


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    """The first request is polite; whoever repeats it has lost patience."""
    global _request, _requested_at
    if _request is None:
        _request, _requested_at = signum, time.monotonic()
        for child in list(_children):
            _stop(child, signum)
    elif time.monotonic() - _requested_at > ONE_REQUEST:
        for child in list(_children):
            child.kill()
            _signal_session(child, signal.SIGKILL)


def _stop(child: Child, signum: int) -> None:
    with suppress(ProcessLookupError):
        shares_terminal = os.getsid(child.pid) == os.getsid(0)
        if not (shares_terminal and signum == signal.SIGINT):
            child.terminate()


def _signal_session(child: Child, signum: int) -> None:
    """All of the session that a child leads, if it leads one."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signum)
