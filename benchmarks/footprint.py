"""Measures fixed costs of the API: start time, imports, memory, and the size of a container image. See README.md."""

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
from servers import MAX_START_SECONDS, free_port

_PROBE = """
import sys, time
{what}
with open("/proc/self/statm") as pages:  # 4 KiB each
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
_SCHEMA = {"schema": Operation("schema", f"{API}schema/", 1, needs_token=False)}
# With this CSV file and these pages, the benchmark checks that deploy/strip_image.py removed no needed file.
_CSV = "company,first name,last name,email,phone,country\nMaison,Ann,Doe,ann@maison.example,030 901820,Allemagne\n"
_PAGES = ("docs/", "docs/redoc/")


def environment(built: Image) -> dict[str, str]:
    return built.environment | {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(built.code / "eecrm")}


def output_of(built: Image, *arguments: Any, **variables: str) -> str:
    command = [built.python, *arguments]
    result = subprocess.run(command, env=environment(built) | variables, capture_output=True, text=True)
    if result.returncode:
        raise Failed(f"{' '.join(map(str, arguments))} failed:\n{result.stderr[-2000:]}")
    return result.stdout + result.stderr


def starts(built: Image, rounds: int) -> str:
    """Measures the start of Python, of Django and of this project, with and without compiled bytecode."""
    whole = _PROBE.format(what=_WHOLE)
    measured = {
        NOT_COMPILED: [output_of(built, "-c", whole, PYTHONDONTWRITEBYTECODE="1").split() for _ in range(rounds)]
    }
    built.compile()
    for _ in range(rounds):
        for name, code in STARTS.items():
            measured.setdefault(name, []).append(output_of(built, "-c", _PROBE.format(what=code)).split())
    lines = [["start", "processor s", "RSS, MiB", "modules"]]
    for name in (*STARTS, NOT_COMPILED):
        seconds, rss, modules = (statistics.median(map(float, column)) for column in zip(*measured[name], strict=True))
        lines.append([name, f"{seconds:.2f}", f"{rss:.0f}", f"{modules:.0f}"])
    return report.table(lines)


def imports(built: Image, rounds: int) -> str:
    """Measures the time to import each package, in milliseconds, as the minimum of the rounds.

    The time for other packages that the package imports isn't included.
    """
    modules: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for microseconds, name in re.findall(
            r"^import time: +(\d+) \| +\d+ \| +(\S+)$", output_of(built, "-X", "importtime", "-c", _WHOLE), re.M
        ):
            modules[name].append(int(microseconds) / 1000)
    packages: dict[str, list[float]] = defaultdict(list)
    for name, milliseconds in modules.items():
        package = name.partition(".")[0]
        is_ours = (built.code / "eecrm" / package).is_dir()
        label = "Python's own" if package in sys.stdlib_module_names else "our own" if is_ours else package
        packages[label].append(min(milliseconds))
    lines = [["imports", "ms", "modules"]]
    for name, times in sorted(packages.items(), key=lambda pair: -sum(pair[1]))[:12]:
        lines.append([name, f"{sum(times):.0f}", str(len(times))])
    return report.table(lines)


@contextmanager
def served(built: Image) -> Iterator[tuple[int, int]]:
    """Runs gunicorn with two workers during the block. When gunicorn answers, yields its port and process id."""
    port = free_port()
    stage.LOGS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with open(stage.LOGS / "footprint.log", "wb") as log:
        command = [built.python, "-m", "gunicorn", f"--config={built.code / 'deploy' / 'gunicorn.conf.py'}"]
        variables = {"PORT": str(port), "WEB_CONCURRENCY": "2", "EECRM_HOME": str(stage.HOME)}
        process = start(command, env=environment(built) | variables, stdout=log, stderr=log)
        try:
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > started + MAX_START_SECONDS:
                    raise Failed(f"It didn't start; {log.name} says why.")
            seconds, used = time.monotonic() - started, sum(Clocks([process.pid, *children(process.pid)]).used.values())
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
    """Measures the memory of the largest worker: after the start, and after each of several kinds of requests."""
    lines = [["memory of a worker, MiB", "RSS", "PSS", "its own"], _memory("at rest", server)]
    token = load.answer(next_login(), port)["access"]
    with load.generator() as generator:
        for after, names, amount in (
            ("after a login: Argon2 leaves its 19 MiB", ("login",), 20),
            ("after some hundred requests", ("list", "detail", "create"), 150),
            ("after the OpenAPI document", ("schema",), 6),
        ):
            for name in names:
                generator.send((OPERATIONS | _SCHEMA)[name].job(port, token), amount=amount)
            lines.append(_memory(after, server))
    return report.table(lines)


def _memory(after: str, server: int) -> list[str]:
    largest = max(memory(pid) for pid in children(server))
    return [after, *(f"{figure:.0f}" for figure in largest)]


def commands(built: Image) -> str:
    lines = [["manage.py", "processor s", "RSS, MiB"]]
    for command in COMMANDS:
        line = [built.python, built.code / "eecrm" / "manage.py", *command.split()]
        process = subprocess.Popen(line, env=environment(built), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise Failed(f"manage.py {command} failed.")
        lines.append([command, f"{used.ru_utime + used.ru_stime:.2f}", f"{used.ru_maxrss / 1024:.0f}"])
    return report.table(lines)


def check_nothing_is_missing(built: Image, port: int) -> None:
    """Raises an error if deploy/strip_image.py removed a file that is needed.

    Loads the documentation pages with their scripts. Checks a CSV file (`import_clients --dry-run`) with a client
    (customer) whose country is written in French.
    """
    for page in _PAGES:
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', _text(port, f"{API}{page}")):
            _text(port, path)
    csv_file = built.home / "clients.csv"
    csv_file.write_text(_CSV)
    output = output_of(
        built, built.code / "eecrm" / "manage.py", "import_clients", csv_file, "--sales-contact=sales1", "--dry-run"
    )
    if "1 prospect would be imported" not in output:
        raise Failed(f"import_clients said:\n{output}")


def _text(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=MAX_START_SECONDS) as answer:
        return str(answer.read().decode(errors="replace"))


def size(whole: Sizes, stripped: Sizes, code: float) -> str:
    lines = [["size, MB", "installed", "after deploy/strip_image.py"]]
    largest = sorted(whole, key=lambda name: -whole[name])[:10]
    for name in largest:
        lines.append([name, f"{whole[name]:.1f}", f"{stripped[name]:.1f}"])
    rest = [sum(size for name, size in sizes.items() if name not in largest) for sizes in (whole, stripped)]
    lines.append([f"{len(whole) - len(largest)} more", *(f"{size:.1f}" for size in rest)])
    lines.append(["our own code, compiled", f"{code:.1f}", f"{code:.1f}"])
    lines.append(["**together**", *(f"**{sum(sizes.values()) + code:.0f}**" for sizes in (whole, stripped))])
    return report.table(lines)


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench footprint", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    say("Installing what an image would hold …")
    built = image.build()
    whole = built.packages()
    built.strip()
    with stage.prepared():
        say(f"\n{starts(built, options.rounds)}\n\n{imports(built, options.rounds)}")
        with served(built) as (port, server):
            say(f"\n{memories(port, server)}")
            check_nothing_is_missing(built, port)
        say(f"\n{commands(built)}")
    say(f"\n{size(whole, built.packages(), built.size_of_code())}")
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
