"""Private interfaces of libraries are listed in docs/upgrading.md, each with the test that breaks when it changes."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from config.environment import ROOT

PROJECT = ROOT / "eecrm"
PAGE = (ROOT / "docs" / "upgrading.md").read_text()
# Documented, in spite of the underscore.
PUBLIC = {"_meta", "_default_manager", "_base_manager", "_state", "_replace", "_asdict", "_make", "_fields"}
MADE_BY_METACLASS = {"_declared_fields", "_abc_impl"}


def modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(PROJECT.rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        if not {"tests", "migrations", "commands", "manage", "conftest", "wsgi", "migrator_settings"}.intersection(
            parts
        ):
            yield path, ".".join(parts).removesuffix(".__init__")


def is_private(name: str) -> bool:
    """Python's own names end with an underscore: `__init__`, `_member_map_` of enumerations."""
    return name.startswith("_") and not name.endswith("_")


def used_names() -> set[str]:
    """Private attributes that our code asks for and never defines."""
    used, ours = set(), set(PUBLIC)
    for path, _ in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                    ours.add(name)
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    ours.add(name)
                case ast.Attribute(attr=name) if is_private(name):
                    used.add(name)
    return used - ours


def overridden_names() -> set[str]:
    """Private attributes that our classes take from a class of a library, and define anew."""
    ours = {*(path.name for path in PROJECT.iterdir()), *sys.stdlib_module_names}
    found: set[str] = set()
    for _, name in modules():
        module = importlib.import_module(name)
        classes = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == name]
        for cls in classes:
            bases = [base for base in cls.__mro__[1:] if base.__module__.split(".")[0] not in ours]
            found |= {name for name in filter(is_private, vars(cls)) if any(name in vars(base) for base in bases)}
    return found - PUBLIC - MADE_BY_METACLASS


def test_each_private_interface_is_on_the_page() -> None:
    names = used_names() | overridden_names()
    assert {"_request", "_clean_fields"} <= names
    missing = sorted(name for name in names if f"`{name}`" not in PAGE)
    assert not missing, f"docs/upgrading.md doesn't list {missing}"


def test_each_library_is_on_the_page_with_its_version() -> None:
    required = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    listed = dict(re.findall(r"^## ([\w-]+) (\S+)$", PAGE, re.MULTILINE))
    assert listed
    assert listed.items() <= required.items()


def test_each_test_on_the_page_exists() -> None:
    named = set(re.findall(r"`(eecrm/\S+\.py)(?:::(\w+))?`", PAGE))
    assert named
    for path, test in named:
        assert f"def {test}" in (ROOT / path).read_text(), (path, test)
