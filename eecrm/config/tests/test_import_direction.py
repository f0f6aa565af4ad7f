"""Imports go to the left only: access, csv_files ← api ← audit ← accounts ← clients ← contracts ← events ← config. Apps of
resources stand in the order of config/resources.py."""

import ast
from collections.abc import Iterator

import pytest
from django.conf import settings

from config.environment import ROOT

NOUNS = dict.fromkeys(path.partition(".")[0] for path in settings.RESOURCES.values())
ORDER = ["access", "csv_files", "api", "audit", "accounts", *NOUNS, "config"]
NEIGHBOURS = {"access", "csv_files"}  # neither knows the other
ROOMS = [path.name for path in sorted((ROOT / "eecrm").iterdir()) if path.is_dir() and not path.name.startswith("__")]
# The environment is read by whoever needs a value of it.
EVERYWHERE = "config.environment"


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_each_app_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == ROOMS


@pytest.mark.parametrize("app", ORDER)
def test_an_app_imports_to_the_left_only(app: str) -> None:
    left = {app} if app in NEIGHBOURS else {*ORDER[: ORDER.index(app) + 1]}
    for path in (ROOT / "eecrm" / app).rglob("*.py"):
        if "tests" in path.parts:
            continue
        for module in imports(path.read_text()):
            room = module.split(".")[0]
            is_allowed = room not in ORDER or room in left or module.startswith(EVERYWHERE)
            assert is_allowed, f"{path.relative_to(ROOT)} imports {module}"


def test_only_the_policy_compares_roles() -> None:
    for path in (ROOT / "eecrm").rglob("*.py"):
        if {"access", "tests", "migrations", "management"} & set(path.parts) or path.name == "conftest.py":
            continue
        assert ".role ==" not in path.read_text(), path
