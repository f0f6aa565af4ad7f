"""Django's PostgreSQL, which looks at a kept connection instead of asking whether it still works (ADR 0017)."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Asked before the first statement of a request. `SELECT 1` costs a round trip each time; a look at the socket costs none."""
        return (self._is_at_rest() or bool(super().is_usable())) and self._takes_changes()

    def _takes_changes(self) -> bool:
        """A server that was demoted, or made read-only, is left: the next connection may reach another one. It tells by
        itself when this changes, with its answers, so that it isn't asked."""
        told = self.connection.info.parameter_status
        return "on" not in (told("in_hot_standby"), told("default_transaction_read_only"))

    def _is_at_rest(self) -> bool:
        """Between requests a server says nothing, unless it goes: its last words, and the end of the stream, wait to be read.

        It may have said something harmless too (a notice, a TLS session ticket), so that whoever isn't at rest may be usable.
        """
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection, select.POLLIN)
        return not socket.poll(0)
