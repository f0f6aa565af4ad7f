"""Imports go to the left only: access, api ← audit ← accounts ← clients ← contracts ← events ← config."""

import ast
from collections.abc import Iterator

import pytest

from config.environment import ROOT

# access doesn't know api; api may ask access.
MAY_IMPORT = {
    "access": {"access"},
    "api": {"access", "api"},
    "audit": {"access", "api", "audit"},
    "accounts": {"access", "api", "audit", "accounts"},
    "clients": {"access", "api", "audit", "accounts", "clients"},
    "contracts": {"access", "api", "audit", "accounts", "clients", "contracts"},
    "events": {"access", "api", "audit", "accounts", "clients", "contracts", "events"},
}
# The environment is read by whoever needs a value of it.
EVERYWHERE = "config.environment"


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_an_app_imports_to_the_left_only(app: str) -> None:
    rooms = {*MAY_IMPORT, "config"}
    for path in (ROOT / "eecrm" / app).rglob("*.py"):
        if "tests" in path.parts:
            continue
        for module in imports(path.read_text()):
            room = module.split(".")[0]
            assert (
                room not in rooms or room in MAY_IMPORT[app] or module.startswith(EVERYWHERE)
            ), f"{path.relative_to(ROOT)} imports {module}"


def test_only_the_policy_compares_roles() -> None:
    for path in (ROOT / "eecrm").rglob("*.py"):
        if {"access", "tests", "migrations", "management"} & set(path.parts) or path.name == "conftest.py":
            continue
        assert ".role ==" not in path.read_text(), path
