from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Visitor, World


@pytest.fixture
def visit(world: World) -> Any:
    def log_in(name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(world.users[name])
        return browser

    return log_in


@pytest.fixture
def groups(migrator: Any) -> Iterator[None]:
    """Two groups, which only the migrator makes. Ask for them first: they outlive the transaction of the test."""
    with migrator.cursor() as cursor:
        cursor.execute("INSERT INTO eecrm.auth_group (name) VALUES ('Crew A'), ('Crew B') ON CONFLICT DO NOTHING")
    yield
    with migrator.cursor() as cursor:
        cursor.execute("DELETE FROM eecrm.auth_group WHERE name IN ('Crew A', 'Crew B')")
