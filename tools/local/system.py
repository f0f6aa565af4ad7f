"""Reads facts about processes and ports from /proc, or with ps and lsof on systems without /proc."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_STATE, _GROUP, _SESSION, _STARTED = 0, 2, 3, 19  # positions in the result of `_fields`
_SINCE = " ticks after the start of "
_LISTEN = "0A"  # state of a listening socket in /proc/net/tcp


def started_at(pid: int) -> str | None:
    """Returns the start time of a process as a text for comparisons; None if the process has ended.

    A process is identified by its id and its start time. The id alone isn't enough, because the system reuses ids.
    """
    if not (PROC / "self" / "stat").exists():
        return _started_at_by_ps(pid)
    try:
        fields, boot = _fields(pid), _boot()
    except OSError:
        return None
    return None if fields[_STATE] in "ZX" else f"{fields[_STARTED]}{_SINCE}{boot}"


def orphans_of(leader: int, started: str) -> list[int]:
    """Returns the ids of the processes that still run in the process group of a process that has ended.

    The ended process, `leader`, was the first process of its session and of its process group. While another process
    of the group runs, the system doesn't reuse the leader's id. The list is empty on systems without /proc.
    """
    ticks, _, boot = started.partition(_SINCE)
    orphans = []
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):  # the process that is read here has already ended
            fields = _fields(int(entry.name))
            is_member = fields[_GROUP] == fields[_SESSION] == str(leader) and int(entry.name) != leader
            if is_member and fields[_STATE] not in "ZX" and boot == _boot() and int(fields[_STARTED]) >= int(ticks):
                orphans.append(int(entry.name))
    return orphans


def _fields(pid: int) -> list[str]:
    """Returns the fields of /proc/PID/stat that come after the program's name.

    The name may contain spaces and parentheses, so the text can't simply be split.
    """
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _boot() -> str:
    return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()


def _started_at_by_ps(pid: int) -> str | None:
    state, _, started = _output("ps", "-o", "stat=,lstart=", "-p", str(pid)).strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def command_of(pid: int) -> str:
    """Returns the command line of a process; "" if the process has ended or the system doesn't show it."""
    with suppress(OSError):
        if words := (PROC / str(pid) / "cmdline").read_bytes():
            return words.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return _output("ps", "-o", "args=", "-p", str(pid)).strip()


def listener(port: int) -> int | None:
    """Returns the id of the process that listens on a TCP port.

    Returns None if the id isn't known, for example because the process belongs to another account.
    """
    if not (PROC / "net" / "tcp").exists():
        pids = _output("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN").split()
        return int(pids[0]) if pids else None
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for descriptor in PROC.glob("[0-9]*/fd/*"):
        with suppress(OSError):  # the process that is read here has already ended, or belongs to another account
            if os.readlink(descriptor) in sockets:
                return int(descriptor.parts[2])
    return None


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                _, address, _, state, *rest = line.split()
                if state == _LISTEN and int(address.rpartition(":")[2], 16) == port:
                    inodes.append(rest[5])
    return inodes


def _output(program: str, *arguments: str) -> str:
    """Runs a program and returns its standard output; "" if the program isn't installed."""
    if not shutil.which(program):
        return ""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=environment).stdout
