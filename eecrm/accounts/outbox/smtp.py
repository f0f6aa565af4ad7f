"""Mail backend that sends by SMTP, and ends a delivery that takes too long."""

import smtplib
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend


class DeliveryTooSlow(TimeoutError):
    """The mail server took longer than MAX_DELIVERY_SECONDS to take a mail."""


class _Endable:
    """SMTP connection that `backend` can end from another thread."""

    def __init__(self, backend: "LimitedBackend", *args: Any, **options: Any) -> None:
        self._backend = backend
        backend.smtp = self  # before the server's greeting is read, which may be slow too
        super().__init__(*args, **options)

    def getreply(self) -> tuple[int, bytes]:
        if self._backend.is_over:
            raise smtplib.SMTPServerDisconnected
        return super().getreply()  # type: ignore[misc]  # defined by the other base class


class _PlainSMTP(_Endable, smtplib.SMTP):
    pass


class _TLSSMTP(_Endable, smtplib.SMTP_SSL):
    pass


class LimitedBackend(EmailBackend):
    """Sends mails by SMTP. A delivery ends after MAX_DELIVERY_SECONDS, and counts as failed.

    EMAIL_TIMEOUT is for each single read, so a server that sends a byte each second could hold the worker for good.
    The delivery has a thread, because nothing else limits the wait for a name server. In rare cases the server has
    taken a mail whose delivery counts as failed: then the mail arrives twice, with the same Message-ID.
    """

    smtp: Any = None
    is_over = False  # a connection that is opened later ends at once

    @property
    def connection_class(self) -> Any:
        return partial(_TLSSMTP if self.use_ssl else _PlainSMTP, self)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Returns the number of mails that were sent. Raises DeliveryTooSlow, or the error of the connection."""
        sent: Future[int] = Future()
        thread = Thread(target=self._deliver, args=[email_messages, sent], daemon=True)
        thread.start()
        thread.join(settings.MAX_DELIVERY_SECONDS)
        is_too_slow = not sent.done()  # asked first, because the end is an error in the thread
        if thread.is_alive():
            self._end()
        if is_too_slow:
            raise DeliveryTooSlow
        return sent.result()

    def _end(self) -> None:
        self.is_over = True
        with suppress(OSError, AttributeError):  # the connection isn't open yet, or not any more
            self.smtp.sock.shutdown(socket.SHUT_RDWR)

    def _deliver(self, email_messages: Sequence[EmailMessage], sent: Future[int]) -> None:
        try:
            self.open()
            # With an open connection, this doesn't wait for the server's goodbye: the mail is sent without it.
            sent.set_result(super().send_messages(email_messages))
        except Exception as error:  # noqa: BLE001  # raised again in the other thread
            sent.set_exception(error)
        finally:
            with suppress(OSError):
                self.close()
