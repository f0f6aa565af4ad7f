from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from conftest import API, Caller, World


def test_the_first_superuser_is_made_on_the_command_line(
    db: None, monkeypatch: pytest.MonkeyPatch, anonymous: Caller
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "quite a long phrase")
    call_command("createsuperuser", "--no-input", username="first", email="first@epic.example", stdout=StringIO())
    user = User.objects.get(username="first")
    assert (user.is_superuser, user.is_staff, user.is_active) == (True, True, True)
    login = anonymous.post(API + "users/login/", {"username": "first", "password": "quite a long phrase"})
    assert login.status_code == 200


def test_a_password_is_changed_on_the_command_line(
    world: World, monkeypatch: pytest.MonkeyPatch, anonymous: Caller
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda **_: "quite a long phrase")
    call_command("changepassword", "support", stdout=StringIO())
    body: dict[str, Any] = {"username": "support", "password": "quite a long phrase"}
    assert anonymous.post(API + "users/login/", body).status_code == 200
