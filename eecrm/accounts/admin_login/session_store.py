"""Sessions of the admin site, stored under digests of their keys: who reads the table can't be anybody in it.

The data of a session is signed together with that digest, so that it is worth nothing in another row. The table is the login
role's alone: visitors' roles reach none of it. Row security couldn't tell whose a row is, for PostgreSQL knows no visitor's key.
"""

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.utils import timezone

from access.database import as_login_role


def digest(key: str) -> str:
    """160 bits of it: as many as the column has room for."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


class SessionStore(db.SessionStore):
    """Django's own, but that the key is the visitor's alone, and the data the key's."""

    @property
    def key_salt(self) -> str:
        """What the signature of the data covers besides the data."""
        return f"{super().key_salt} {digest(self.session_key or '')}"

    def _get_session_from_db(self) -> Any:
        stored = self.model.objects.filter(session_key=digest(self.session_key or ""), expire_date__gt=timezone.now())
        row = stored.first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        with as_login_role():
            return bool(super().exists(digest(session_key)))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    def save(self, must_create: bool = False) -> None:
        """Django takes every error of an update for a session that was ended meanwhile; what PostgreSQL says is another one."""
        try:
            with transaction.atomic(), as_login_role():  # what fails takes the login role back with it
                super().save(must_create)
        except UpdateError as error:
            if error.__context__ and error.__context__.__cause__:
                raise error.__context__ from error.__context__.__cause__
            raise

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            with transaction.atomic(), as_login_role():
                self.model.objects.filter(session_key=digest(key)).delete()
