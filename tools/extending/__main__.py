"""Executes each recipe of docs/extending.md on a copy of the repository, and runs the generic tests there.

`scripts/manage makemigrations` would start the demo's database. So this program runs `manage.py makemigrations`,
which needs no database, because it only compares the models with the migrations.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from recipes import Block, Failed, change, recipes, write

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("EECRM_HOME") or ROOT / ".local")
# These tests find all resources and fields in the code, so that they also test what a recipe has added.
GENERIC_TESTS = (
    "eecrm/audit/tests/test_every_resource.py",
    "eecrm/api/tests/test_schema.py",
    "eecrm/api/tests/test_declared.py",
    "eecrm/api/tests/test_resource_checks.py",
    "eecrm/access/tests/test_privileges.py",
    "eecrm/access/tests/test_routes.py",
    "eecrm/access/tests/test_rulebook.py",
    "eecrm/audit/tests/test_coverage.py",
    "eecrm/config/tests/test_import_direction.py",
    "tools/diagrams/test_access_page.py",
)
_MANAGE = "scripts/manage makemigrations"


def copied(root: Path) -> None:
    """Copies the repository into `root`: the files that git tracks, and new files that git doesn't ignore.

    The files have their current content, even if it isn't committed. The copy uses the same virtual environment.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    (root / ".local").mkdir(mode=0o700)
    (root / ".local" / "venv").symlink_to(HOME / "venv", target_is_directory=True)


def execute(heading: str, blocks: list[Block]) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="extending-", dir=HOME) as folder:
        root = Path(folder)
        copied(root)
        for block in blocks:
            match block:
                case Block("bash"):
                    for command in block.text.splitlines():
                        run(command, root)
                case Block("diff"):
                    change(block, root)
                case _:
                    write(block, root)
        written = [block.title for block in blocks if "/tests/" in block.title]
        run(f"scripts/test -q -n1 {' '.join((*GENERIC_TESTS, *written))}", root)


def run(command: str, root: Path) -> None:
    print(f"$ {command}", flush=True)
    if command.startswith(_MANAGE):
        command = command.replace("scripts/manage", f"{sys.executable} -W ignore eecrm/manage.py")
    if subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=root, env=environment(root)).returncode:
        raise Failed(f"The command failed: {command}")


def environment(root: Path) -> dict[str, str]:
    """Returns the environment variables for a recipe's commands.

    The keys and passwords in the variables are only examples, not secrets. The variables name no real database. Only
    scripts/test needs a database, and it replaces these variables by its own settings.
    """
    values = {
        "EECRM_HOME": str(root / ".local"),
        "APP_ENV": "local",
        "SECRET_KEY": "an-example-of-a-long-enough-key-for-recipes-0123456789",
        "JWT_SIGNING_KEY": "another-example-of-a-key-for-recipes-0123456789",
        "SECOND_FACTOR_KEY": "YW4tZXhhbXBsZS1rZXktZm9yLWNoZWNrcy0wMTIzNDU=",
        "PG_HOST": "nowhere.invalid",
        "PG_PASSWORD": "none",
        "PG_MIGRATOR_PASSWORD": "another",
    }
    return os.environ | values


def main(names: list[str]) -> int:
    known = recipes((ROOT / "docs" / "extending.md").read_text("utf-8"))
    chosen = {heading: blocks for heading, blocks in known.items() if not names or heading.split()[-1] in names}
    if not chosen:
        print(f"Usage: scripts/extending [{' | '.join(heading.split()[-1] for heading in known)}]…", file=sys.stderr)
        return 2
    for heading, blocks in chosen.items():
        print(f"== {heading}", flush=True)
        try:
            execute(heading, blocks)
        except Failed as failure:
            print(f"{heading}: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
