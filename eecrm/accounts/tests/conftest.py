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
