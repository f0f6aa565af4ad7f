"""What scripts/run, scripts/test and scripts/manage do once their virtual environment is there."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cluster
import database
import generated
import home
import pooler
from dotenv import ROOT, chosen, read
from processes import Failed, keep_ledger, say, start, status_of, wait

HOME = Path(
    os.environ["EECRM_HOME"]
)  # Made absolute, and locked, by install.py; that of the tests lies inside that of the demo.
SETTINGS = HOME / "settings.env"  # What the web server and the worker read.
MIGRATOR_SETTINGS = HOME / "migrator.env"  # What config.migrator_settings reads besides.
UMASK = os.umask(0o077)
DEMO_DATABASE = "eecrm"
# The commands that read or change the schema.
OF_THE_MIGRATOR = (
    "makemigrations",
    "migrate",
    "optimizemigration",
    "showmigrations",
    "sqlmigrate",
    "squashmigrations",
    "sync_access",
)
TEST_DATABASES = ("eecrm_test_gw0", "eecrm_test_gw1")  # One for each process of pytest-xdist.

sys.path.insert(0, str(ROOT / "eecrm"))


def main(command: str, *arguments: str) -> int:
    if command == "manage-beside":
        return manage(arguments)
    keep_ledger(home.ledger(HOME))
    match command:
        case "test":
            return run_tests(list(arguments))
        case "manage":
            return run_manage(arguments)
    return run_demo(is_reset=bool(arguments))


def run_demo(*, is_reset: bool) -> int:
    port = home.web_port()
    with demo_server(is_reset=is_reset) as settings:
        # No process that is started from here on inherits the login of another one: each gets its own by name.
        for name in filter(generated.OF_OTHERS.fullmatch, list(os.environ)):
            del os.environ[name]
        return prepare_and_serve(port, settings)


def prepare_and_serve(port: int, settings: Mapping[str, str]) -> int:
    # Not before, because config.environment reads the settings that were just written when it is imported.
    from serve import serve

    prepare(settings)
    return serve(port)


def prepare(settings: Mapping[str, str]) -> None:
    if chosen("PG_HOST") and not settings.get("PG_ADMIN_USER"):
        say("PG_ADMIN_USER isn't set, so roles and schema are taken to be there already.")
    else:
        database.bootstrap(settings.get("PG_DATABASE") or DEMO_DATABASE, settings)
    database.migrate(settings)
    database.load_demo()


def run_manage(arguments: tuple[str, ...]) -> int:
    """A new database is made whole first. Another one stays as it is: the command may be there to bring it up to date."""
    is_new = not chosen("PG_HOST") and not (HOME / "postgres" / "data").is_dir()
    with demo_server(is_reset=False) as settings:
        if is_new:
            prepare(settings)
        return manage(arguments)


def manage(arguments: tuple[str, ...]) -> int:
    command = [str(part) for part in database.MANAGE] + list(arguments)
    module = "config.migrator_settings" if arguments[:1] and arguments[0] in OF_THE_MIGRATOR else "config.settings"
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    return execute(command, stdout=3, umask=UMASK)  # see scripts/manage; it may write into the repository


def run_tests(arguments: list[str]) -> int:
    is_wheel, is_reset, is_exec = (take(flag, arguments) for flag in ("--wheel", "--reset", "--exec"))
    if is_exec and not arguments:
        raise Failed("Usage: scripts/test [--wheel] [--reset] --exec COMMAND")
    server = private_server(TEST_DATABASES[0], is_durable=False, is_reset=is_reset, is_wheel=is_wheel)
    with server as settings:
        # Over .env, which may describe a server that no test should ever touch.
        os.environ.update(read(SETTINGS) | settings | {"APP_ENV": "local"})
        for name in TEST_DATABASES:
            database.bootstrap(name, settings)
        try:
            database.migrate_all(TEST_DATABASES, settings)
        except Failed as failure:
            if not is_exec:
                raise
            say(f"{failure} The command runs all the same, since it may be there to repair them.")
        if is_exec:
            return execute(arguments, umask=UMASK)  # It may write into the repository.
        pooler.provide(HOME)
        return execute(pytest(arguments), cwd=ROOT)


def take(flag: str, arguments: list[str]) -> bool:
    if arguments[:1] != [flag]:
        return False
    del arguments[0]
    return True


def pytest(arguments: list[str]) -> list[str]:
    """In two processes, unless somebody says how many there shall be."""
    command = [sys.executable, "-m", "pytest"]
    if any(argument.startswith(("-n", "--numprocesses")) for argument in arguments):
        return [*command, *arguments]
    return [*command, "-n", str(len(TEST_DATABASES)), *arguments]


def execute(command: list[str], **options: Any) -> int:
    """With the programs of the virtual environment first, and with the terminal if there is one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        return wait(start(command, shares_terminal=sys.stdin.isatty(), env=os.environ | {"PATH": path}, **options))
    except OSError as error:
        raise Failed(f"The command can't be run: {error}.") from None


@contextmanager
def demo_server(*, is_reset: bool) -> Iterator[Mapping[str, str]]:
    """How everybody gets in: the logins of all."""
    if not chosen("PG_HOST"):
        with private_server(DEMO_DATABASE, is_durable=True, is_reset=is_reset) as settings:
            yield settings
        return
    if is_reset:
        raise Failed("PG_HOST names a server that isn't private to scripts/run, so --reset doesn't touch it.")
    keys = generated.complete(SETTINGS, generated.keys())
    # What belongs to a private server of earlier would be taken for part of the description of this one.
    generated.write(SETTINGS, {name: keys[name] for name in generated.keys()})
    generated.write(MIGRATOR_SETTINGS, {})
    say(f"Using the PostgreSQL on {chosen('PG_HOST')}, as PG_HOST says.")
    names = {*read(ROOT / ".env"), *os.environ}
    yield {name: chosen(name) for name in names if name.startswith("PG_")}


@contextmanager
def private_server(
    database: str, *, is_durable: bool, is_reset: bool, is_wheel: bool = False
) -> Iterator[Mapping[str, str]]:
    """Each build has data of its own, since the one may be a version that can't read the other's."""
    directory = HOME / ("postgres-of-the-wheel" if is_wheel else "postgres")
    found = cluster.find(directory, database, is_durable=is_durable, is_wheel=is_wheel)
    if is_reset:
        found = found.afresh()
    server = found.with_free_port()
    keys = generated.complete(SETTINGS, generated.keys())
    generated.write(SETTINGS, generated.of_the_application(keys | server.settings))
    generated.write(MIGRATOR_SETTINGS, generated.of_the_migrator(server.settings))
    # Over .env too: without PG_HOST, the other PG_ variables there describe no server.
    os.environ.update(generated.of_the_application(server.settings))
    os.environ["PG_PROGRAMS"] = str(server.programs.directory)
    with server.running():
        yield server.settings


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
