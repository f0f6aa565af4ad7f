"""What scripts/run and scripts/test do once their virtual environment is there."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cluster
import generated
import pooler
from django.core.exceptions import ImproperlyConfigured
from dotenv import ROOT, chosen, read
from processes import Failed, say, start, status_of, wait

HOME = Path(os.environ["EECRM_HOME"])  # Made absolute by install.py; that of the tests lies inside that of the demo.
SETTINGS = HOME / "settings.env"
DEMO_DATABASE = "eecrm"
TEST_DATABASES = ("eecrm_test_gw0", "eecrm_test_gw1")  # One for each process of pytest-xdist.

sys.path.insert(0, str(ROOT / "eecrm"))


def main(command: str, *arguments: str) -> int:
    try:
        return run_tests(list(arguments)) if command == "test" else run_demo(list(arguments))
    except ImproperlyConfigured as error:
        raise Failed(str(error)) from None


def run_demo(arguments: list[str]) -> int:
    if arguments not in ([], ["--reset"]):
        raise Failed("Usage: scripts/run [--reset]")
    if chosen("APP_ENV") == "production":
        raise Failed("APP_ENV is production, and scripts/run is for trying things out: see docs/ on how to deploy.")
    with only_one("scripts/run"):
        port = web_port()
        with demo_server(is_reset=bool(arguments)):
            return prepare_and_serve(port)


def prepare_and_serve(port: int) -> int:
    # Not before, because config.environment reads the settings that were just written when it is imported.
    import database
    from serve import serve

    if chosen("PG_HOST") and not chosen("PG_ADMIN_USER"):
        say("PG_ADMIN_USER isn't set, so roles and schema are taken to be there already.")
    else:
        database.bootstrap(database.name())
    database.migrate()
    database.load_demo()
    return serve(port)


def run_tests(arguments: list[str]) -> int:
    is_wheel, is_reset, is_exec = (take(flag, arguments) for flag in ("--wheel", "--reset", "--exec"))
    if is_exec and not arguments:
        raise Failed("Usage: scripts/test [--wheel] [--reset] --exec COMMAND")
    server = private_server(TEST_DATABASES[0], is_durable=False, is_reset=is_reset, is_wheel=is_wheel)
    with only_one("scripts/test"), server:
        # Over .env, which may describe a server that no test should ever touch.
        os.environ.update(read(SETTINGS) | {"APP_ENV": "local"})
        import database

        for name in TEST_DATABASES:
            database.bootstrap(name)
        try:
            database.migrate_all(TEST_DATABASES)
        except Failed as failure:
            if not is_exec:
                raise
            say(f"{failure} The command runs all the same, since it may be there to repair them.")
        if is_exec:
            return execute(arguments)
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


def execute(command: list[str], *, cwd: Path | None = None) -> int:
    """With the programs of the virtual environment first, and with the terminal if there is one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        return wait(start(command, shares_terminal=sys.stdin.isatty(), env=os.environ | {"PATH": path}, cwd=cwd))
    except OSError as error:
        raise Failed(f"The command can't be run: {error}.") from None


@contextmanager
def only_one(script: str) -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / "lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Failed(
                f"{script} runs already with its state in {HOME} (process {lock.read().strip()}): stop that one,"
                " or give this one another directory with EECRM_HOME."
            ) from None
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        yield


@contextmanager
def demo_server(*, is_reset: bool) -> Iterator[None]:
    if not chosen("PG_HOST"):
        with private_server(DEMO_DATABASE, is_durable=True, is_reset=is_reset):
            yield
        return
    if is_reset:
        raise Failed("PG_HOST names a server that isn't private to scripts/run, so --reset doesn't touch it.")
    keys = generated.complete(SETTINGS, generated.keys())
    # What belongs to a private server of earlier would be taken for part of the description of this one.
    generated.write(SETTINGS, {name: keys[name] for name in generated.keys()})
    say(f"Using the PostgreSQL on {chosen('PG_HOST')}, as PG_HOST says.")
    yield


@contextmanager
def private_server(
    database: str, *, is_durable: bool, is_reset: bool, is_wheel: bool = False
) -> Iterator[None]:
    """Each build has data of its own, since the one may be a version that can't read the other's."""
    directory = HOME / ("postgres-of-the-wheel" if is_wheel else "postgres")
    found = cluster.find(directory, database, is_durable=is_durable, is_wheel=is_wheel)
    if is_reset:
        found = found.afresh()
    server = found.with_free_port()
    generated.write(SETTINGS, generated.complete(SETTINGS, generated.keys()) | server.settings)
    # Over .env too: without PG_HOST, the other PG_ variables there describe no server.
    os.environ.update(server.settings | {"PG_PROGRAMS": str(server.programs.directory)})
    with server.running():
        yield


def web_port() -> int:
    """Looked at first, so that nothing has happened yet when it is taken."""
    value = chosen("PORT") or "8000"
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise Failed(f"PORT must be a number from 1 to 65535, not {value}.")
    if not generated.is_free(int(value)):
        raise Failed(f"Port {value} of 127.0.0.1 is taken: stop what listens there, or choose another one with PORT.")
    return int(value)


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
