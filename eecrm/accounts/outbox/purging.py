"""Job of the worker that deletes expired rows once an hour."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Now

from access.database import acting_as_login_role
from accounts.models import AddressChange, KnownPlace, LinkRequest, Mail, TokenSession
from accounts.models.session import UNUSED_PLACES
from accounts.outbox.news import last_news
from api.requests import limits

MAX_ENDED_LOGIN_AGE = timedelta(days=30)
MAX_SENT_MAIL_AGE = timedelta(days=90)
MAX_LINK_REQUEST_AGE = timedelta(days=1)  # an older request is useless, because its user has sent another one


def purge_expired() -> None:
    """Deletes expired rows: ended logins, sessions, changes of email addresses, link requests and sent mails.

    Also deletes unused rate limits and known places (IP address and browser of an earlier login). Keeps each manager's
    last mail with news, because its snapshot decides at which entry the next mail begins.
    """
    long_ago = Now() - MAX_ENDED_LOGIN_AGE
    with acting_as_login_role():
        TokenSession.objects.filter(Q(revoked_at__lt=long_ago) | Q(expires_at__lt=long_ago)).delete()
        Session.objects.filter(expire_date__lt=Now()).delete()
        limits.forget_emptied()
        AddressChange.objects.expired().delete()
        KnownPlace.objects.filter(used_at__lt=Now() - UNUSED_PLACES).delete()
        LinkRequest.objects.filter(created_at__lt=Now() - MAX_LINK_REQUEST_AGE).delete()
        old_mails = Mail.objects.filter(sent_at__lt=Now() - MAX_SENT_MAIL_AGE)
        old_mails.exclude(pk__in=last_news().values("pk")).delete()
