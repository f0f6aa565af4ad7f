"""Writes the lists that tests in eecrm/access/tests compare with the code.

A person must check what changed in the lists (`git diff`) before committing them.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "eecrm" / "access" / "tests"

sys.path.insert(0, str(ROOT / "eecrm"))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  # imported after the path and the settings are set

django.setup()

from access.checks import routes  # noqa: E402  # imported after Django has loaded the apps
from access.policy import MATRIX_ROLES, TABLE  # noqa: E402
from access.tests import test_privileges, test_routes  # noqa: E402

_ABOUT = "# What each role may do, written down a second time: the tests hold the policy table and the server's behaviour to it."


def cells() -> Iterator[str]:
    rows = [("# resource", "action", *MATRIX_ROLES), *TABLE]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    yield _ABOUT
    for row in rows:
        yield "  ".join(f"{word!s:<{width}}" for word, width in zip(row, widths, strict=True)).rstrip()


def guarded_routes() -> Iterator[str]:
    """Yields a line for each route that needs a logged-in user: the path and its methods."""
    for path, pattern in sorted(routes(), key=lambda route: route[0]):
        if path not in test_routes.PUBLIC and path not in test_routes.DECOY:
            yield f"{path} {' '.join(sorted(test_routes.methods_of(pattern)))}"


def main() -> None:
    lists = {"cells.txt": cells, "privileges.txt": test_privileges.lines, "routes.txt": guarded_routes}
    for name, lines in lists.items():
        path, text = TESTS / name, "\n".join(lines()) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"Wrote {path.relative_to(ROOT)}: read the difference before you commit it.")


if __name__ == "__main__":
    main()
