"""Mail backend that sends by SMTP, waits as long as RFC 5321 asks for, and ends when the worker is asked to stop."""

import smtplib
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from select import select
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from api.jobs import stop_signal

# Steps of a delivery, in their order. Between CONNECT and ACCEPT a step has the name of its SMTP command.
CONNECT, GREETING, ACCEPT = "CONNECT", "GREETING", "ACCEPT"
COMMANDS = ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA")


class DeliveryTooSlow(TimeoutError):
    """The mail server took longer than MAX_SESSION_SECONDS, or longer than EMAIL_FINAL_TIMEOUT to accept a mail."""


class DeliveryStopped(Exception):
    """The worker was asked to stop before the mail server had accepted the mail."""


def ehlo_name() -> str:
    """Returns the name for EHLO: the host of PUBLIC_URL, with an IP address in brackets (RFC 5321, section 4.1.3).

    The machine's own name isn't used. It may be `localhost` or a container's id, which strict servers refuse.
    """
    host = str(urlsplit(settings.PUBLIC_URL).hostname).rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


class _EndableSMTP(smtplib.SMTP):
    """SMTP connection that `backend` can end from another thread. It reports each step of the delivery to `backend`."""

    sock: Any  # the stubs allow None, which it never is here

    def __init__(self, backend: "LimitedBackend", *args: Any, **options: Any) -> None:
        self._backend = backend
        backend.smtp = self  # before the server's greeting is read, which may be slow too
        super().__init__(*args, **options | {"local_hostname": ehlo_name()})

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock: Any = super()._get_socket(host, port, settings.MAX_CONNECT_SECONDS)  # type: ignore[misc]  # unknown to the stubs
        self.sock = sock  # before the step begins, because an ended delivery closes it
        sock.settimeout(timeout)
        self._backend.begin(GREETING)
        return sock

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Sends a command. The lines of a login have no name of a command, and begin no step."""
        if cmd.upper() in COMMANDS:
            self._backend.begin(cmd.upper())
        super().putcmd(cmd, args)

    def send(self, s: Any) -> None:
        """Sends a command (a text) or the whole mail (bytes), whose last line is the final dot."""
        if isinstance(s, bytes) and self._backend.step == "DATA":
            self._backend.begin(ACCEPT)
            self.sock.settimeout(settings.EMAIL_FINAL_TIMEOUT)
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        if self._backend.is_over:
            raise smtplib.SMTPServerDisconnected
        return super().getreply()


class _EndableTLS(_EndableSMTP, smtplib.SMTP_SSL):
    pass


class LimitedBackend(EmailBackend):
    """Sends one mail by SMTP, in a thread, so that a slow server or name server holds the worker for a limited time.

    Until the final dot, the server may take EMAIL_TIMEOUT for each answer and MAX_SESSION_SECONDS for all. After the
    final dot it may take EMAIL_FINAL_TIMEOUT, because servers scan mails then. A backend that gave up earlier would
    send the mail again, although the server takes it.

    When the worker is asked to stop, a delivery ends at once if the mail isn't sent yet. Otherwise the server has
    MAX_STOP_SECONDS for its answer. If a server takes a mail and its answer doesn't arrive, the mail arrives twice,
    with the same Message-ID.
    """

    smtp: Any = None
    step = CONNECT
    is_over = False  # a connection that is opened later ends at once

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.steps = [CONNECT]  # each step that has begun, once
        self._state = Lock()  # for `step`, `is_over` and `_deadline`
        self._deadline = 0.0

    @property
    def connection_class(self) -> Any:
        return partial(_EndableTLS if self.use_ssl else _EndableSMTP, self)

    def begin(self, step: str) -> None:
        """Notes the step that begins. Raises SMTPServerDisconnected if the delivery was ended in the meantime."""
        with self._state:
            if self.is_over:
                raise smtplib.SMTPServerDisconnected
            self.step = step
            self.steps += [step] if step not in self.steps else []
            if step == ACCEPT:
                self._deadline = time.monotonic() + settings.EMAIL_FINAL_TIMEOUT

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Returns the number of mails that were sent.

        Raises DeliveryTooSlow, DeliveryStopped, or the error of the connection.
        """
        sent: Future[int] = Future()
        done, ending = socket.socketpair()  # the thread closes `ending` when `sent` has a result
        self._deadline = time.monotonic() + settings.MAX_SESSION_SECONDS
        thread = Thread(target=self._deliver, args=[email_messages, sent, ending], daemon=True)
        thread.start()
        try:
            with done:
                self._wait(done)
            thread.join(settings.MAX_GOODBYE_SECONDS)
        finally:
            if thread.is_alive():
                self._disconnect()
        return sent.result()

    def _wait(self, done: socket.socket) -> None:
        """Waits until the delivery has a result. Raises DeliveryTooSlow or DeliveryStopped if it must end before."""
        stop, stopped_at = stop_signal.get(), None
        while True:
            limit = min(self._deadline, time.monotonic() + 1)  # the thread may set an earlier deadline meanwhile
            if stopped_at is not None:
                limit = min(limit, stopped_at + settings.MAX_STOP_SECONDS)
            watched: list[Any] = [done, *([] if stop is None or stopped_at is not None else [stop])]
            ready = select(watched, [], [], max(0.0, limit - time.monotonic()))[0]
            if done in ready:
                return
            now = time.monotonic()
            if ready:
                stopped_at = now
            with self._state:
                is_late = now >= self._deadline
                if stopped_at is not None and (self.step != ACCEPT or now >= stopped_at + settings.MAX_STOP_SECONDS):
                    self.is_over = True
                    raise DeliveryStopped
                if is_late:
                    self.is_over = True
                    raise DeliveryTooSlow

    def _disconnect(self) -> None:
        self.is_over = True
        with suppress(OSError, AttributeError):  # the connection isn't open yet, or not any more
            self.smtp.sock.shutdown(socket.SHUT_RDWR)

    def _deliver(self, email_messages: Sequence[EmailMessage], sent: Future[int], ending: socket.socket) -> None:
        try:
            with ending:
                try:
                    self.open()
                    # With an open connection, this doesn't wait for the server's goodbye: the mail is sent without it.
                    sent.set_result(super().send_messages(email_messages))
                except Exception as error:  # noqa: BLE001  # raised again in the other thread
                    sent.set_exception(error)
        finally:
            with suppress(OSError):
                self.close()
            if self.smtp:
                self.smtp.close()  # a connection that was never greeted is unknown to Django
