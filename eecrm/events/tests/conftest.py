import io
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from conftest import Visitor, World


@pytest.fixture
def visit(world: World) -> Any:
    """`visit("management")` browses the admin site as that person."""

    def log_in(name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(User.objects.defer(None).get(pk=world.users[name].pk))  # as it is by now
        return browser

    return log_in


@pytest.fixture
def run() -> Any:
    """What a command prints."""

    def called(*arguments: str) -> str:
        output = io.StringIO()
        call_command(*arguments, stdout=output)
        return output.getvalue()

    return called
