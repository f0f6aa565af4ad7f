"""Starts child processes, and stops them when this process gets a signal.

The signal handler only passes the signal on to the children. Our code stops later, where it waits for the children.
So a signal never interrupts our code between the start of a child and the registration of this child.
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

# A second signal within this number of seconds is ignored, because some supervisors send each signal twice.
MIN_REPEAT_SECONDS = 2.0

_children: set[Child] = set()
_foundations: dict[Child, Callable[[], str]] = {}
_ledger: Ledger | None = None
_request: int | None = None
_requested_at = 0.0


class Failed(Exception):
    """The program can't continue. The message is a sentence for the user at the terminal."""


class Stopped(Exception):
    """A signal asked this process to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.status = 128 + signum


def say(message: str) -> None:
    print(message, flush=True)


def status_of(program: Callable[..., int], *arguments: str) -> int:
    """Runs a program and returns its exit status.

    If a signal arrives, the child processes are stopped first.
    After Failed or PermissionError, the function prints a sentence to standard error and returns 1.
    """
    stops = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it, to outlive the terminal
        stops.append(signal.SIGHUP)
    for signum in stops:
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
    """Registers a child process, such as PostgreSQL, without which the program can't continue.

    After the child has ended, `check_foundations` raises Failed with the text of `loss_message()`.
    `forget` removes the child from the register.
    """
    _foundations[child] = loss_message


def check_foundations() -> None:
    for child, loss_message in _foundations.items():
        if child.poll() is not None:
            raise Failed(loss_message())


def keep_ledger(path: Path) -> None:
    """Stops processes that an earlier run left behind. From now on, records the processes of this run in a file.

    The caller must have the lock of the home directory (home.py).
    """
    global _ledger
    _ledger = Ledger(path)
    for entry in _ledger.leftovers():
        say(f"Stopping process {entry.pid}, which an earlier run left behind ({entry.command}) …")
        entry.stop()


def record(child: Child, *signals: signal.Signals) -> None:
    """Records a child process in the file of this run.

    If this run is killed, the next run sends these signals to the child, one after the other, until the child has
    ended.
    """
    if _ledger is not None:
        command = child.args if isinstance(child.args, (list, tuple)) else [child.args]
        _ledger.add(child.pid, " ".join(map(str, command))[:200], signals)


def forget(child: Child) -> None:
    _foundations.pop(child, None)
    if _ledger is not None:
        _ledger.remove(child.pid)


def start(command: Command, *, shares_terminal: bool = False, **options: Any) -> Child:
    """Starts a child process. When a signal asks this process to stop, the child gets SIGTERM.

    The child has its own session. So Ctrl-C at the terminal reaches only this process, which then sends SIGTERM.
    With `shares_terminal`, an interactive child stays in the terminal's session and gets SIGINT directly.
    """
    check_stopped()
    child = subprocess.Popen(command, start_new_session=not shares_terminal, **options)
    _children.add(child)
    record(child, signal.SIGTERM, signal.SIGKILL)
    if _request is not None:
        _stop(child, _request)
    return child


def wait(child: Child) -> int:
    """Waits for a child process and returns its exit status; 128 + signal number if a signal has killed the child."""
    try:
        status = child.wait()
    finally:
        _children.discard(child)
        forget(child)
    if _request is not None:
        _signal_session(child, signal.SIGTERM)  # stops processes that the child has left behind
    return status if status >= 0 else 128 - status


def run(command: Command, *, failure: str, **options: Any) -> None:
    status = wait(start(command, **options))
    check_stopped()
    if status:
        raise Failed(failure)


def run_together(command: Command, environments: Sequence[dict[str, str]], *, failure: str) -> None:
    """Runs a command several times at once, each time with other environment variables.

    If one run fails, prints the output of this run and raises Failed.
    """
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
    """Handles a signal.

    The first signal is passed on to the children. A signal that comes again later kills the children.
    """
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
    """Sends a signal to the process group that the child leads. Does nothing if the child doesn't lead a group."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signum)
