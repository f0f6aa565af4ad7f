"""Store for sessions of the admin site. Keys are stored as digests, so that a reader of the table can't use a session.

The data of a session is signed together with the digest, so it is invalid in another row. Only PostgreSQL's login role
(`eecrm_app`) may read or write the table. A row security policy couldn't protect it, because PostgreSQL doesn't know
the visitor's key.
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


def digest(key: str) -> str:
    """Returns the first 160 bits of the key's hash, in hexadecimal: the column has room for 40 characters."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


class SessionStore(db.SessionStore):
    """Django's store, with hashed keys and with data that is signed for one key."""

    undeleted: DatabaseError | None = None

    @property
    def key_salt(self) -> str:
        """Salt of the data's signature. It contains the digest of the key."""
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
        """Saves the session. If PostgreSQL refuses it, raises PostgreSQL's error.

        Django instead reports every error of an update as a session that was deleted meanwhile (UpdateError).
        """
        try:
            with transaction.atomic(), as_login_role():  # after an error the savepoint's rollback restores the role
                super().save(must_create)
        except UpdateError as error:
            if error.__context__ and error.__context__.__cause__:
                raise error.__context__ from error.__context__.__cause__
            raise

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session's row. On a server that takes no changes the row stays, and `undeleted` has the error.

        Otherwise the visitor of an ended session could not even be sent to the login page there.
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
