"""Reads delivery status notifications (RFC 3464): mails in which a mail server says that it couldn't deliver a mail.

Anybody may send a forged notification. So a bounce changes only the state that the admin site shows. The account keeps
its address and gets its next mail.
"""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.parser import HeaderParser
from typing import NamedTuple

from django.db.models import Q
from django.db.models.functions import Now

from access.database import acting_as_login_role
from accounts.models import Mail

log = logging.getLogger("eecrm.mail")

MAX_NOTIFICATION_BYTES = 10 * 1024 * 1024
# The Message-ID that `accounts.outbox.mails` writes: the mail's key, and the second of its creation.
_MESSAGE_ID = re.compile(r"<mail-(\d{1,18})-(\d{14})@", re.ASCII)
_STATUS = re.compile(r"\d\.\d{1,3}\.\d{1,3}", re.ASCII)


class Bounce(NamedTuple):
    """A mail that came back. `status` is the reason, a code of RFC 3463 such as 5.1.1."""

    key: int
    created_at: str  # digits: year to second, UTC
    status: str


def read_bounce(content: bytes) -> Bounce | None:
    """Returns the bounce that a mail reports, or None if the mail reports no failed delivery of a mail of ours."""
    parts = list(message_from_bytes(content).walk())
    failures = [block for block in _status_blocks(parts) if str(block.get("Action", "")).strip().lower() == "failed"]
    found = next((match for part in parts if (match := _MESSAGE_ID.search(_original_id(part)))), None)
    if not failures or found is None:
        return None
    status = _STATUS.search(str(failures[0].get("Status", "")))
    return Bounce(int(found[1]), found[2], status[0] if status else "")


def _status_blocks(parts: list[Message]) -> Iterator[Message]:
    for part in parts:
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            yield from _inner(part)


def _original_id(part: Message) -> str:
    """Returns the Message-ID of the mail that came back, if this part holds the mail or its headers. Otherwise ""."""
    kind = part.get_content_type()
    if kind in ("text/rfc822-headers", "message/global-headers"):
        text = part.get_payload(decode=True)
        headers = HeaderParser().parsestr(text.decode("utf-8", "replace") if isinstance(text, bytes) else "")
        return str(headers.get("Message-ID", ""))
    inner = _inner(part) if kind in ("message/rfc822", "message/global") else []
    return str(inner[0].get("Message-ID", "")) if inner else ""


def _inner(part: Message) -> list[Message]:
    """Returns the messages within a part, also if the part is cut off."""
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def note_bounce(bounce: Bounce) -> bool:
    """Marks the mail as bounced. Returns False if there is no such mail, or if it is marked already."""
    try:
        second = datetime.strptime(bounce.created_at, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    created = Q(created_at__gte=second, created_at__lt=second + timedelta(seconds=1))
    return _mark(Q(pk=bounce.key) & created, bounce.status)


def note_bounce_of(address: str) -> bool:
    """Marks the latest mail that was sent to an email address as bounced. Returns False if there is none."""
    to_it = Q(address__iexact=address) | Q(address="", user__email__iexact=address)
    return _mark(to_it & Q(sent_at__isnull=False), "")


def _mark(which: Q, status: str) -> bool:
    with acting_as_login_role():
        mail = Mail.objects.filter(which).order_by("-pk").first()
        if mail is None or mail.bounced_at:
            return False
        Mail.objects.filter(pk=mail.pk).update(bounced_at=Now(), error=f"Bounced {status}".strip())
    log.warning("mail_bounced", extra={"mail": mail.pk, "kind": mail.kind, "account": mail.user_id, "status": status})
    return True
