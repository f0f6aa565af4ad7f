"""Store for sessions of the admin site. The table contains digests of session keys instead of the keys.

So a reader of the table can't use a session. The data of a session is signed together with the digest, so the data
is invalid in another row.

Only PostgreSQL's login role (`eecrm_app`) may read or write the table. A row security policy couldn't protect the
rows, because PostgreSQL doesn't know the visitor's session key.
"""

import hashlib
import logging
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, transaction
from django.utils import timezone

from access.database import as_login_role
from access.refusals import READ_ONLY, refusal_of

log = logging.getLogger("eecrm.admin")

MAX_REPEAT_SECONDS = 60  # a form that is sent again within this time, for example by a double click, is a repeat


def digest(key: str) -> str:
    """Returns the first 160 bits of the session key's SHA-256 hash, in hexadecimal. The column holds 40 characters."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


class SessionStore(db.SessionStore):
    """Django's session store, but with hashed session keys. The signature of the data is valid for one key only."""

    undeleted: DatabaseError | None = None
    is_unknown = False  # the browser sent a key that the table doesn't have

    @property
    def key_salt(self) -> str:
        """Salt for the signature of the session's data. The salt contains the digest of the session key."""
        return f"{super().key_salt} {digest(self.session_key or '')}"

    def _get_session_from_db(self) -> Any:
        stored = self.model.objects.filter(session_key=digest(self.session_key or ""), expire_date__gt=timezone.now())
        row = stored.first()
        if row is None:
            self._session_key, self.is_unknown = None, True
        return row

    def replace_key(self, trace: dict[str, Any]) -> None:
        """Gives the session a new key. For MAX_REPEAT_SECONDS, the old key opens a session with the data `trace`."""
        before = type(self)(self.session_key)
        data = {name: value for name, value in self.items() if name != "_session_expiry"}
        self.create()
        self._session_cache = data
        if before.is_stored():
            before._session_cache = trace
            before.set_expiry(MAX_REPEAT_SECONDS)
            before.save()

    def is_stored(self) -> bool:
        return bool(self.session_key) and self.exists(self.session_key or "")

    def exists(self, session_key: str) -> bool:
        with as_login_role():
            return bool(super().exists(digest(session_key)))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    def save(self, must_create: bool = False) -> None:
        """Saves the session. If PostgreSQL refuses the session, raises PostgreSQL's own error.

        Django's method would raise UpdateError for every error of an update, as if the session had been deleted
        meanwhile.
        """
        try:
            # After an error, the rollback to the savepoint also restores the caller's PostgreSQL role.
            with transaction.atomic(), as_login_role():
                super().save(must_create)
        except UpdateError as error:
            if error.__context__ and error.__context__.__cause__:
                raise error.__context__ from error.__context__.__cause__
            raise

    def delete(self, session_key: str | None = None) -> None:
        """Deletes the session's row. If the database is read-only, stores the error in `undeleted` instead.

        If the error were raised, the visitor of an ended session couldn't even be redirected to the login page.
        """
        if key := session_key or self.session_key:
            try:
                with transaction.atomic(), as_login_role():
                    self.model.objects.filter(session_key=digest(key)).delete()
            except DatabaseError as error:
                if refusal_of(error) != READ_ONLY:
                    raise
                log.warning("a session stays in the database, which takes no changes")
                self.undeleted = error
