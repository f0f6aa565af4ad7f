"""Facts that this machine tells about processes and ports: from /proc where there is one, else from ps and lsof."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_STATE, _GROUP, _SESSION, _STARTED = 0, 2, 3, 19  # Fields of /proc/pid/stat, after the name.
_SINCE = " ticks after the start of "
_LISTEN = "0A"  # The state of a listening socket in /proc/net/tcp.


def started_at(pid: int) -> str | None:
    """The moment at which a process started, as a text to compare; None if it has ended.

    With its number it names one process for good: numbers are used again, and after a restart of the machine soon.
    """
    if not (PROC / "self" / "stat").exists():
        return _started_at_by_ps(pid)
    try:
        fields, boot = _fields(pid), _boot()
    except OSError:
        return None
    return None if fields[_STATE] in "ZX" else f"{fields[_STARTED]}{_SINCE}{boot}"


def left_of(leader: int, started: str) -> list[int]:
    """The processes of the session of one that led it and has ended, by its number and the moment of its start: those of its
    group that began no earlier. While there is one, the system gives the leader's number to no other process. None where there
    is no /proc."""
    ticks, _, boot = started.partition(_SINCE)
    found = []
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):  # It ended meanwhile.
            fields = _fields(int(entry.name))
            is_of_it = fields[_GROUP] == fields[_SESSION] == str(leader) and int(entry.name) != leader
            if is_of_it and fields[_STATE] not in "ZX" and boot == _boot() and int(fields[_STARTED]) >= int(ticks):
                found.append(int(entry.name))
    return found


def _fields(pid: int) -> list[str]:
    """Of /proc/pid/stat, after the name, which may hold anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _boot() -> str:
    return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()


def _started_at_by_ps(pid: int) -> str | None:
    state, _, started = _output("ps", "-o", "stat=,lstart=", "-p", str(pid)).strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def command_of(pid: int) -> str:
    """The command line of a process; "" where it can't be known."""
    with suppress(OSError):
        if words := (PROC / str(pid) / "cmdline").read_bytes():
            return words.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return _output("ps", "-o", "args=", "-p", str(pid)).strip()


def listener(port: int) -> int | None:
    """The process that listens on a TCP port; None where it can't be known, as with a process of another account."""
    if not (PROC / "net" / "tcp").exists():
        found = _output("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN").split()
        return int(found[0]) if found else None
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for descriptor in PROC.glob("[0-9]*/fd/*"):
        with suppress(OSError):  # It ended meanwhile, or is another account's.
            if os.readlink(descriptor) in sockets:
                return int(descriptor.parts[2])
    return None


def _listening_inodes(port: int) -> list[str]:
    found = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                _, address, _, state, *rest = line.split()
                if state == _LISTEN and int(address.rpartition(":")[2], 16) == port:
                    found.append(rest[5])
    return found


def _output(program: str, *arguments: str) -> str:
    """Of a program that may be missing, or find nothing."""
    if not shutil.which(program):
        return ""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=environment).stdout
