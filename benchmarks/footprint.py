"""What the API costs before it has done anything, and to keep it there: its start, its memory, its size. See README.md."""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import image
import load
import report
import stage
from image import Image, Sizes
from operations import API, OPERATIONS, Operation, next_login
from processes import Failed, say, start, status_of, wait
from processor import Clocks, children, memory
from servers import PATIENCE, free_port

_TOLD = """
import sys, time
{what}
with open("/proc/self/statm") as pages:  # of 4 KiB
    print(time.process_time(), int(pages.read().split()[1]) / 256, len(sys.modules))
"""
_BARE = """
from django.conf import settings
apps = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "sessions", "messages")]
databases = {"default": {"ENGINE": "django.db.backends.postgresql"}}
settings.configure(INSTALLED_APPS=[*apps, "rest_framework"], DATABASES=databases, SECRET_KEY="none")
import django; django.setup()
import rest_framework.viewsets; from django.contrib import admin; admin.autodiscover()
"""
_WHOLE = "import config.wsgi"
STARTS = {"Python": "", "Django with its admin site, and DRF": _BARE, "this project": _WHOLE}
NOT_COMPILED = "this project, its code not compiled"
COMMANDS = ("check", "run_worker --once", "verify_audit --verbosity=0")
_LIVE = Operation("live", "/health/live/", 1, needs_token=False)
_MORE = {"schema": Operation("schema", f"{API}schema/", 1, needs_token=False)}
# The import reads a country in French, and the pages of the documentation load scripts: nothing of that was taken out.
_BOOK = "company,first name,last name,email,phone,country\nMaison,Ann,Doe,ann@maison.example,030 901820,Allemagne\n"
_PAGES = ("docs/", "docs/redoc/")


def environment(made: Image) -> dict[str, str]:
    return made.environment | {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(made.code / "eecrm")}


def told(made: Image, *arguments: Any, **variables: str) -> str:
    command = [made.python, *arguments]
    result = subprocess.run(command, env=environment(made) | variables, capture_output=True, text=True)
    if result.returncode:
        raise Failed(f"{' '.join(map(str, arguments))} failed:\n{result.stderr[-2000:]}")
    return result.stdout + result.stderr


def starts(made: Image, rounds: int) -> str:
    """Each in turn; the code is compiled in between, as it is while an image is built."""
    whole = _TOLD.format(what=_WHOLE)
    found = {NOT_COMPILED: [told(made, "-c", whole, PYTHONDONTWRITEBYTECODE="1").split() for _ in range(rounds)]}
    made.compile()
    for _ in range(rounds):
        for name, what in STARTS.items():
            found.setdefault(name, []).append(told(made, "-c", _TOLD.format(what=what)).split())
    lines = [["start", "processor s", "RSS, MiB", "modules"]]
    for name in (*STARTS, NOT_COMPILED):
        seconds, rss, modules = (statistics.median(map(float, column)) for column in zip(*found[name], strict=True))
        lines.append([name, f"{seconds:.2f}", f"{rss:.0f}", f"{modules:.0f}"])
    return report.table(lines)


def imports(made: Image, rounds: int) -> str:
    """By package, without what each imports in turn: milliseconds, the least of the rounds."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for microseconds, name in re.findall(
            r"^import time: +(\d+) \| +\d+ \| +(\S+)$", told(made, "-X", "importtime", "-c", _WHOLE), re.M
        ):
            found[name].append(int(microseconds) / 1000)
    packages: dict[str, list[float]] = defaultdict(list)
    for name, milliseconds in found.items():
        package = name.partition(".")[0]
        ours = (made.code / "eecrm" / package).is_dir()
        known = "Python's own" if package in sys.stdlib_module_names else "our own" if ours else package
        packages[known].append(min(milliseconds))
    lines = [["imports", "ms", "modules"]]
    for name, each in sorted(packages.items(), key=lambda pair: -sum(pair[1]))[:12]:
        lines.append([name, f"{sum(each):.0f}", str(len(each))])
    return report.table(lines)


@contextmanager
def served(made: Image) -> Iterator[tuple[int, int]]:
    """The port, and the process of gunicorn with two workers, once it answers."""
    port = free_port()
    stage.LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with open(stage.LOGS / "footprint.log", "wb") as log:
        command = [made.python, "-m", "gunicorn", f"--config={made.code / 'deploy' / 'gunicorn.conf.py'}"]
        variables = {"PORT": str(port), "WEB_CONCURRENCY": "2", "EECRM_HOME": str(stage.HOME)}
        process = start(command, env=environment(made) | variables, stdout=log, stderr=log)
        try:
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > began + PATIENCE:
                    raise Failed(f"It didn't start; {log.name} says why.")
            seconds, used = time.monotonic() - began, sum(Clocks([process.pid, *children(process.pid)]).used.values())
            say(f"\nFrom nothing to the first answer of gunicorn: {seconds:.1f} s, {used:.2f} s of a processor.")
            yield port, process.pid
        finally:
            process.terminate()
            wait(process)


def _answers(port: int) -> bool:
    try:
        return bool(load.answer(_LIVE, port))
    except OSError:
        time.sleep(0.02)
        return False


def memories(port: int, server: int) -> str:
    """Of its largest worker, after more and more."""
    lines = [["memory of a worker, MiB", "RSS", "PSS", "its own"], _memory("at rest", server)]
    token = load.answer(next_login(), port)["access"]
    with load.generator() as generator:
        for after, names, amount in (
            ("after a login: Argon2 leaves its 19 MiB", ("login",), 20),
            ("after some hundred requests", ("list", "detail", "create"), 150),
            ("after the OpenAPI document", ("schema",), 6),
        ):
            for name in names:
                generator.send((OPERATIONS | _MORE)[name].job(port, token), amount=amount)
            lines.append(_memory(after, server))
    return report.table(lines)


def _memory(after: str, server: int) -> list[str]:
    largest = max(memory(pid) for pid in children(server))
    return [after, *(f"{figure:.0f}" for figure in largest)]


def commands(made: Image) -> str:
    lines = [["manage.py", "processor s", "RSS, MiB"]]
    for command in COMMANDS:
        line = [made.python, made.code / "eecrm" / "manage.py", *command.split()]
        process = subprocess.Popen(line, env=environment(made), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise Failed(f"manage.py {command} failed.")
        lines.append([command, f"{used.ru_utime + used.ru_stime:.2f}", f"{used.ru_maxrss / 1024:.0f}"])
    return report.table(lines)


def refuse_what_lacks_something(made: Image, port: int) -> None:
    """Whatever deploy/slim.py took out, nothing asks for: neither the pages of the documentation nor an import with words in French."""
    for page in _PAGES:
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', _text(port, f"{API}{page}")):
            _text(port, path)
    book = made.home / "book.csv"
    book.write_text(_BOOK)
    said = told(made, made.code / "eecrm" / "manage.py", "import_clients", book, "--sales-contact=sales1", "--dry-run")
    if "1 prospect would be imported" not in said:
        raise Failed(f"import_clients said:\n{said}")


def _text(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        return str(answer.read().decode(errors="replace"))


def size(whole: Sizes, slim: Sizes, code: float) -> str:
    lines = [["size, MB", "installed", "after deploy/slim.py"]]
    largest = sorted(whole, key=lambda name: -whole[name])[:10]
    for name in largest:
        lines.append([name, f"{whole[name]:.1f}", f"{slim[name]:.1f}"])
    rest = [sum(size for name, size in sizes.items() if name not in largest) for sizes in (whole, slim)]
    lines.append([f"{len(whole) - len(largest)} more", *(f"{size:.1f}" for size in rest)])
    lines.append(["our own code, compiled", f"{code:.1f}", f"{code:.1f}"])
    lines.append(["**together**", *(f"**{sum(sizes.values()) + code:.0f}**" for sizes in (whole, slim))])
    return report.table(lines)


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench footprint", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    say("Installing what an image would hold …")
    made = image.made()
    whole = made.packages()
    made.slim()
    with stage.prepared():
        say(f"\n{starts(made, options.rounds)}\n\n{imports(made, options.rounds)}")
        with served(made) as (port, server):
            say(f"\n{memories(port, server)}")
            refuse_what_lacks_something(made, port)
        say(f"\n{commands(made)}")
    say(f"\n{size(whole, made.packages(), made.size_of_code())}")
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
