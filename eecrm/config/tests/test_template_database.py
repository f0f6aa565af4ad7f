"""`scripts/test` makes its databases again after every change that could make them differ, and only then."""

import re
import sys
from pathlib import Path

import pytest
from django.db import connection

from access.tests.clusters import PROGRAMS
from config.environment import ROOT

sys.path.insert(0, str(ROOT / "tools" / "local"))

from binaries import Binaries  # noqa: E402  # imported after the path is set
from template_database import NAME, digest  # noqa: E402

FILES = (
    "requirements.txt",
    "deploy/postgres/bootstrap.sql",
    "eecrm/clients/migrations/0001_initial.py",
    "eecrm/clients/sql/client_rules.sql",
    "eecrm/access/policy.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*FILES, "eecrm/clients/tests/test_list.py", "eecrm/conftest.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    return tmp_path


def digest_of(root: Path) -> str:
    return digest(Binaries(PROGRAMS, "a test's"), root)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_asks_for_new_databases(name: str, root: Path) -> None:
    before = digest_of(root)
    (root / name).write_text("after")
    assert digest_of(root) != before


@pytest.mark.parametrize("name", ["eecrm/clients/migrations/0002_more.py", "eecrm/clients/sql/more.sql"])
def test_so_do_a_new_file_and_one_that_is_gone(name: str, root: Path) -> None:
    before = digest_of(root)
    (root / name).write_text("")
    with_file = digest_of(root)
    (root / name).rename(root / name.replace("more", "other"))
    assert len({before, with_file, digest_of(root)}) == 3


@pytest.mark.parametrize("name", ["eecrm/clients/tests/test_list.py", "eecrm/conftest.py"])
def test_a_changed_test_does_not(name: str, root: Path) -> None:
    before = digest_of(root)
    (root / name).write_text("after")
    assert digest_of(root) == before


def test_another_postgresql_does(root: Path) -> None:
    assert digest(Binaries(root, "another's"), root) != digest_of(root)


def test_the_template_bears_its_digest(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [NAME])
        (comment,) = cursor.fetchone()
    assert re.fullmatch("[0-9a-f]{64}", comment)  # of the code of the start, which may be edited while tests run
