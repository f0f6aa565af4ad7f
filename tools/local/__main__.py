"""Runs the demo (scripts/run), the tests (scripts/test) or manage.py (scripts/manage).

install.py starts this program when the virtual environment is ready.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cluster
import database
import generated
import home
import pooler
import template_database
from cluster import Cluster
from dotenv import ROOT, chosen, read
from processes import Failed, keep_ledger, say, start, status_of, wait

# HOME is the directory for this script's state. install.py has made the path absolute and locked the directory.
# The state directory of the tests is inside that of the demo.
HOME = Path(os.environ["EECRM_HOME"])
SETTINGS = HOME / "settings.env"  # settings that the web server and the worker read
MIGRATOR_SETTINGS = HOME / "migrator.env"  # settings that only migrations read (config.migrator_settings)
UMASK = os.umask(0o077)
DEMO_DATABASE = "eecrm"
MAX_PROCESSES = 4  # maximum number of test processes, because the roles in bootstrap.sql may open few connections
MIN_PROCESSES = 2  # minimum number of test processes, because some tests wait and leave the processor idle
EXEC_PROCESSES = 2  # test processes that scripts/mutate-policy starts
# These commands read or change the schema, so they need the privileges of the database role eecrm_migrator.
MIGRATOR_COMMANDS = (
    "makemigrations",
    "migrate",
    "optimizemigration",
    "showmigrations",
    "sqlmigrate",
    "squashmigrations",
    "sync_database",
)


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
        # Child processes must not inherit database logins that they don't use.
        # The module `database` passes each login to the command that needs this login.
        for name in filter(generated.OTHER_LOGINS.fullmatch, list(os.environ)):
            del os.environ[name]
        return prepare_and_serve(port, settings)


def prepare_and_serve(port: int, settings: Mapping[str, str]) -> int:
    # This import isn't at the top of the file, because it makes config.environment read settings.env.
    # At the start of the program, settings.env may not exist yet.
    from serve import serve

    prepare(settings)
    return serve(port)


def prepare(settings: Mapping[str, str]) -> None:
    name = settings.get("PG_DATABASE") or DEMO_DATABASE
    if chosen("PG_HOST") and not settings.get("PG_ADMIN_USER"):
        say("PG_ADMIN_USER isn't set, so roles and schema are taken to be there already.")
    else:
        database.bootstrap(name, settings)
    database.migrate(name, settings)
    database.load_demo()


def run_manage(arguments: tuple[str, ...]) -> int:
    """Runs manage.py with these arguments. A new database is first migrated and filled with the demo data.

    An existing database isn't migrated, because the command itself may be `migrate`.
    """
    is_new = not chosen("PG_HOST") and not (HOME / "postgres" / "data").is_dir()
    with demo_server(is_reset=False) as settings:
        if is_new:
            prepare(settings)
        return manage(arguments)


def manage(arguments: tuple[str, ...]) -> int:
    command = [str(part) for part in database.MANAGE] + list(arguments)
    module = "config.migrator_settings" if arguments[:1] and arguments[0] in MIGRATOR_COMMANDS else "config.settings"
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    # File descriptor 3 is the caller's standard output. Only the command's own output goes there.
    # All other messages of scripts/manage go to standard error.
    # This program uses a private umask, but the command gets the caller's umask.
    # So files that the command writes into the repository, such as migrations, have the usual permissions.
    return execute(command, stdout=3, umask=UMASK)


def run_tests(arguments: list[str]) -> int:
    is_wheel, is_reset, is_exec = (take(flag, arguments) for flag in ("--wheel", "--reset", "--exec"))
    if is_exec and not arguments:
        raise Failed("Usage: scripts/test [--wheel] [--reset] --exec COMMAND")
    databases = test_databases(EXEC_PROCESSES if is_exec else processes_of(arguments))
    with private_server(databases[0], is_durable=False, is_reset=is_reset, is_wheel=is_wheel) as server:
        # The private server's settings override .env, because the tests mustn't change data of the server in .env.
        os.environ.update(read(SETTINGS) | server.settings | {"APP_ENV": "local"})
        template_database.update(server, may_fail=is_exec)
        template_database.copy(server, databases)
        if is_exec:
            # This program uses a private umask, but the command gets the caller's umask.
            # So files that the command writes into the repository have the usual permissions.
            return execute(arguments, umask=UMASK)
        pooler.provide(HOME)
        return execute([sys.executable, "-m", "pytest", *arguments], cwd=ROOT)


def take(flag: str, arguments: list[str]) -> bool:
    if arguments[:1] != [flag]:
        return False
    del arguments[0]
    return True


def processes_of(arguments: list[str]) -> int:
    """Returns the number of test processes. Adds the option `-n` to pytest's `arguments` if it is missing.

    A single test runs in one process, without `-n`. Several tests get a process for each processor, between
    MIN_PROCESSES and MAX_PROCESSES. Further processes would cost time, because each process imports all tests.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-n", "--numprocesses", type=int)
    chosen_number: int | None = parser.parse_known_args(arguments)[0].numprocesses
    if chosen_number is not None:
        return max(chosen_number, 1)
    if any("::" in argument for argument in arguments):
        return 1
    number = min(max(os.cpu_count() or 1, MIN_PROCESSES), MAX_PROCESSES)
    arguments[:0] = ["-n", str(number)]
    return number


def test_databases(number: int) -> list[str]:
    """Returns the names of the databases: one for each process of pytest-xdist, which calls them gw0, gw1 and so on."""
    return [f"{template_database.NAME}_gw{place}" for place in range(number)]


def execute(command: list[str], **options: Any) -> int:
    """Runs a command and returns its exit status. The virtual environment is first on the command's PATH.

    The command can use the terminal, if this script has a terminal.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        return wait(start(command, shares_terminal=sys.stdin.isatty(), env=os.environ | {"PATH": path}, **options))
    except OSError as error:
        raise Failed(f"The command can't be run: {error}.") from None


@contextmanager
def demo_server(*, is_reset: bool) -> Iterator[Mapping[str, str]]:
    """Provides PostgreSQL for the demo: a private server, or the server in PG_HOST. Yields all PG_ settings."""
    if not chosen("PG_HOST"):
        with private_server(DEMO_DATABASE, is_durable=True, is_reset=is_reset) as server:
            yield server.settings
        return
    if is_reset:
        raise Failed("PG_HOST names a server that isn't private to scripts/run, so --reset doesn't touch it.")
    keys = generated.add_missing(SETTINGS, generated.make_keys())
    # Removes the settings of an earlier private server, so that they don't mix with those of PG_HOST's server.
    generated.write(SETTINGS, {name: keys[name] for name in generated.make_keys()})
    generated.write(MIGRATOR_SETTINGS, {})
    say(f"Using the PostgreSQL on {chosen('PG_HOST')}, as PG_HOST says.")
    names = {*read(ROOT / ".env"), *os.environ}
    yield {name: chosen(name) for name in names if name.startswith("PG_")}


@contextmanager
def private_server(database: str, *, is_durable: bool, is_reset: bool, is_wheel: bool = False) -> Iterator[Cluster]:
    """Runs a private PostgreSQL server for the block, and yields this server.

    The machine's PostgreSQL and the PostgreSQL from the wheel have separate data directories.
    One version of PostgreSQL can't read the data of another version.
    """
    directory = HOME / ("postgres-of-the-wheel" if is_wheel else "postgres")
    server = cluster.find(directory, database, is_durable=is_durable, is_wheel=is_wheel)
    if is_reset:
        server = server.afresh()
    server = server.with_free_port()
    keys = generated.add_missing(SETTINGS, generated.make_keys())
    generated.write(SETTINGS, generated.select_for_application(keys | server.settings))
    generated.write(MIGRATOR_SETTINGS, generated.select_for_migrator(server.settings))
    # The private server's settings override PG_ variables in .env, which have no meaning without PG_HOST.
    os.environ.update(generated.select_for_application(server.settings))
    os.environ["PG_PROGRAMS"] = str(server.programs.directory)
    with server.running():
        yield server


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
