"""PostgreSQL backend that checks a persistent connection by the state of its socket, without a query (ADR 17)."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """True if the connection can still be used. Django calls this method before the first statement of a request.

        Django's own method sends `SELECT 1`, which costs a round trip for each request. Reading the socket's state
        costs none.
        """
        return (self._has_nothing_to_read() or bool(super().is_usable())) and self._accepts_writes()

    def _accepts_writes(self) -> bool:
        """False if the server was demoted to a standby or made read-only.

        Django then opens a new connection, which may reach another server (ADR 27). PostgreSQL reports a change of
        `in_hot_standby` or `default_transaction_read_only` with its next answer, so no query is needed.
        """
        status = self.connection.info.parameter_status
        return "on" not in (status("in_hot_standby"), status("default_transaction_read_only"))

    def _has_nothing_to_read(self) -> bool:
        """True if the socket has no data to read.

        If the server has closed the connection, the socket has something to read. A server can also send harmless data
        between requests, such as a notice or a TLS session ticket. So a connection with data to read may still be
        usable.
        """
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection, select.POLLIN)
        return not socket.poll(0)
