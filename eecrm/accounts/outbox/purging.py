"""What nobody needs any longer is deleted, in a worker, once an hour."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Now

from access.database import acting_as_login_role
from accounts.models import AddressChange, KnownPlace, Mail, TokenSession
from accounts.models.session import UNUSED_PLACES
from accounts.outbox.news import last_news
from api import limits

ENDED_LOGINS = timedelta(days=30)
SENT_MAILS = timedelta(days=90)


def purge() -> None:
    """Logins that ended long ago, sessions of the admin site that have expired, mails that were sent long ago (but the last news
    of each manager, with which the next go on), and places from which an account hasn't logged in for long."""
    long_ago = Now() - ENDED_LOGINS
    with acting_as_login_role():
        TokenSession.objects.filter(Q(revoked_at__lt=long_ago) | Q(expires_at__lt=long_ago)).delete()
        Session.objects.filter(expire_date__lt=Now()).delete()
        limits.forget_emptied()
        AddressChange.objects.expired().delete()
        KnownPlace.objects.filter(used_at__lt=Now() - UNUSED_PLACES).delete()
        Mail.objects.filter(sent_at__lt=Now() - SENT_MAILS).exclude(pk__in=last_news().values("pk")).delete()
