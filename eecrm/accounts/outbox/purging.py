"""Job of the worker that deletes expired rows once an hour."""

from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from access.database import acting_as_login_role
from accounts.models import AddressChange, KnownPlace, LinkRequest, Mail, TokenSession
from accounts.models.session import UNUSED_PLACES
from accounts.outbox.news import last_news
from api.requests import limits

MAX_ENDED_LOGIN_AGE = timedelta(days=30)
MAX_SENT_MAIL_AGE = timedelta(days=90)
MAX_ROWS_PER_TURN = 5_000  # rows of each table; a statement that deletes more could reach its timeout
MAX_LINK_REQUEST_AGE = timedelta(days=1)  # an older request is useless, because its user has sent another one


def purge_expired() -> bool:
    """Deletes expired rows: ended logins, sessions, changes of email addresses, link requests and sent mails.

    Also deletes unused rate limits and known places (IP address and browser of an earlier login). Keeps each manager's
    last mail with news, because its snapshot decides at which entry the next mail begins.

    Deletes at most MAX_ROWS_PER_TURN rows of each table. Returns True if there may be more.
    """
    long_ago = Now() - MAX_ENDED_LOGIN_AGE
    old_mails = Mail.objects.filter(sent_at__lt=Now() - MAX_SENT_MAIL_AGE)
    expired: list[QuerySet[Any]] = [
        TokenSession.objects.filter(Q(revoked_at__lt=long_ago) | Q(expires_at__lt=long_ago)),
        Session.objects.filter(expire_date__lt=Now()),
        AddressChange.objects.expired(),
        KnownPlace.objects.filter(used_at__lt=Now() - UNUSED_PLACES),
        LinkRequest.objects.filter(created_at__lt=Now() - MAX_LINK_REQUEST_AGE),
        old_mails.exclude(pk__in=last_news().values("pk")),
    ]
    with acting_as_login_role():
        limits.forget_emptied()
        return MAX_ROWS_PER_TURN in [_delete_some(rows) for rows in expired]


def _delete_some(rows: QuerySet[Any]) -> int:
    """Deletes at most MAX_ROWS_PER_TURN rows of the queryset. Returns the number of deleted rows."""
    some = rows.order_by().values("pk")[:MAX_ROWS_PER_TURN]
    number, _ = rows.model._default_manager.filter(pk__in=some).delete()
    return number
