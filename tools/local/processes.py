"""Starts child processes, and stops them when this process gets a signal.

The signal handler passes the signal on to the children. Our own code notices it where it waits for them.
A signal therefore never interrupts our code between the start of a process and its registration.
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

# Within this time a second signal counts as the same stop request, because some supervisors send each signal twice.
MIN_REPEAT_SECONDS = 2.0

_children: set[Child] = set()
_foundations: dict[Child, Callable[[], str]] = {}
_ledger: Ledger | None = None
_request: int | None = None
_requested_at = 0.0


class Failed(Exception):
    """The program can't go on. The message is a sentence for the user at the terminal."""


class Stopped(Exception):
    """A signal asked this process to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.status = 128 + signum


def say(message: str) -> None:
    print(message, flush=True)


def status_of(program: Callable[..., int], *arguments: str) -> int:
    """Runs a program and returns its exit status.

    A signal stops the children first. `Failed` and PermissionError become a sentence on standard error and status 1.
    """
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


def rely_on(child: Child, loss_message: Callable[[], str]) -> None:
    """Makes `check_foundations` fail with `loss_message()` once this child has ended, until `forget`."""
    _foundations[child] = loss_message


def check_foundations() -> None:
    for child, loss_message in _foundations.items():
        if child.poll() is not None:
            raise Failed(loss_message())


def keep_ledger(path: Path) -> None:
    """Stops processes of an earlier run, and records those of this run from now on.

    The caller must hold the lock of the home directory.
    """
    global _ledger
    _ledger = Ledger(path)
    for entry in _ledger.leftovers():
        say(f"Stopping process {entry.pid}, which an earlier run left behind ({entry.command}) …")
        entry.stop()


def record(child: Child, *signals: signal.Signals) -> None:
    """Records a child. If this run is killed, the next run sends the child these signals, one after another."""
    if _ledger is not None:
        command = child.args if isinstance(child.args, (list, tuple)) else [child.args]
        _ledger.add(child.pid, " ".join(map(str, command))[:200], signals)


def forget(child: Child) -> None:
    _foundations.pop(child, None)
    if _ledger is not None:
        _ledger.remove(child.pid)


def start(command: Command, *, shares_terminal: bool = False, **options: Any) -> Child:
    """Starts a child that gets SIGTERM when this process is asked to stop.

    The child has its own session, so that Ctrl-C reaches it only once, through us, as SIGTERM.
    An interactive child shares the terminal instead (`shares_terminal`), which sends it SIGINT directly.
    """
    check_stopped()
    child = subprocess.Popen(command, start_new_session=not shares_terminal, **options)
    _children.add(child)
    record(child, signal.SIGTERM, signal.SIGKILL)
    if _request is not None:
        _stop(child, _request)
    return child


def wait(child: Child) -> int:
    """Waits for a child. Returns its exit status like a shell: 128 + signal number after a signal."""
    try:
        status = child.wait()
    finally:
        _children.discard(child)
        forget(child)
    if _request is not None:
        _signal_session(child, signal.SIGTERM)  # Processes that the child left behind, as a shell does.
    return status if status >= 0 else 128 - status


def run(command: Command, *, failure: str, **options: Any) -> None:
    status = wait(start(command, **options))
    check_stopped()
    if status:
        raise Failed(failure)


def run_together(command: Command, environments: Sequence[dict[str, str]], *, failure: str) -> None:
    """Runs a command in several environments at once. Raises Failed after the output of the first that failed."""
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
    """Passes the first stop request on to the children. A repeated request kills them."""
    global _request, _requested_at
    if _request is None:
        _request, _requested_at = signum, time.monotonic()
        for child in list(_children):
            _stop(child, signum)
    elif time.monotonic() - _requested_at > MIN_REPEAT_SECONDS:
        for child in list(_children):
            child.kill()
            _signal_session(child, signal.SIGKILL)


def _stop(child: Child, signum: int) -> None:
    with suppress(ProcessLookupError):
        shares_terminal = os.getsid(child.pid) == os.getsid(0)
        if not (shares_terminal and signum == signal.SIGINT):
            child.terminate()


def _signal_session(child: Child, signum: int) -> None:
    """Signals the process group that a child leads, if it leads one."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signum)
