from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.passwords import is_too_long


class PasswordBackend(ModelBackend):
    """Django's own, but what is too long for a password is refused before an account is looked for."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if password is not None and is_too_long(password):
            return None
        return super().authenticate(request, username, password, **kwargs)
