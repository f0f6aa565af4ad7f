"""Generates API clients from the OpenAPI document, then type-checks and runs the programs of examples/ with them."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import node
from own_server import LOCAL, ROOT, running

DOCUMENT = ROOT / "docs" / "openapi.yaml"
EXAMPLES = ROOT / "examples"
HOME = LOCAL / "clients"
TYPESCRIPT, PYTHON = HOME / "typescript", HOME / "python"


@contextmanager
def step(title: str) -> Iterator[None]:
    start = time.monotonic()
    print(f"{title} …", flush=True)
    yield
    print(f"  done in {time.monotonic() - start:.1f} s", flush=True)


def run(command: list[str | Path], directory: Path) -> None:
    """Runs a command. Exits if the command fails. The command itself has then printed the reason."""
    if subprocess.run(command, cwd=directory).returncode:
        sys.exit(f"{Path(command[0]).name} failed, see above.")


def check_typescript() -> None:
    with step("TypeScript: installing openapi-typescript, openapi-fetch and the compiler"):
        node.packages(EXAMPLES / "typescript", TYPESCRIPT)
    for name in ("workflow.ts", "tsconfig.json"):
        shutil.copyfile(EXAMPLES / "typescript" / name, TYPESCRIPT / name)
    with step("TypeScript: generating types, and checking examples/typescript/workflow.ts strictly"):
        node.run(["npm", "run", "--silent", "generate"], TYPESCRIPT, OPENAPI=str(DOCUMENT))
        node.run(["npm", "run", "--silent", "check"], TYPESCRIPT)


def check_python() -> None:
    with step("Python: generating a client, and checking it and examples/python/workflow.py strictly"):
        PYTHON.mkdir(parents=True, exist_ok=True)
        # Delete the API client that an earlier run generated. It may contain modules of operations that were removed.
        shutil.rmtree(PYTHON / "epic_events", ignore_errors=True)
        shutil.copyfile(EXAMPLES / "python" / "workflow.py", PYTHON / "workflow.py")
        generator = Path(sys.executable).with_name("openapi-python-client")
        options = [f"--config={EXAMPLES / 'python' / 'generator.yaml'}", "--meta=none", "--fail-on-warning"]
        run([generator, "generate", f"--path={DOCUMENT}", f"--output-path={PYTHON / 'epic_events'}", *options], PYTHON)
        strictly = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
        run([*strictly, EXAMPLES / "workflow.py"], PYTHON)
        run([*strictly, "workflow.py", "epic_events"], PYTHON)


def run_programs(server: str) -> None:
    with step("TypeScript: examples/typescript/workflow.ts runs"):
        node.run(["npm", "run", "--silent", "start"], TYPESCRIPT, API=server)
    with step("Python: examples/python/workflow.py runs"):
        run(["env", f"API={server}", sys.executable, "workflow.py"], PYTHON)


def main(*arguments: str) -> int:
    if arguments not in ((), ("--no-server",)):
        sys.exit("Usage: scripts/clients [--no-server]")
    # The server starts in the background while the clients are generated.
    with nullcontext() if arguments else running(HOME / "server") as server:
        check_typescript()
        check_python()
        if server:
            run_programs(server.address)
    print("Both clients fit their programs." if arguments else "Both clients fit their programs, and these run.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
