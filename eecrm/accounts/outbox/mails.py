"""What the mails say."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import links
from accounts.models import ExternalIdentity, Mail, User

# What is news rather than a link needs none.
_LINKS = {
    Mail.Kind.INVITATION: links.INVITATION,
    Mail.Kind.PASSWORD_RESET: links.PASSWORD_RESET,
    Mail.Kind.FACTOR_RESET: links.PASSWORD_RESET,
}


def reason_against(kind: str, user: User) -> str:
    """Why this account is sent no such link, as a sentence; empty where nothing is in its way."""
    if kind not in _LINKS:
        return ""
    if not user.is_active:
        return "The account is inactive."
    if ExternalIdentity.objects.filter(user=user).exists():
        return "The account logs in with an outside identity and has no password here."
    if kind == Mail.Kind.INVITATION and user.has_usable_password():
        return "The account has a password already."
    return ""


def compose(mail: Mail, user: User) -> EmailMessage:
    """The mail as it is sent now: its link lives from this moment on."""
    context: dict[str, Any] = {
        "name": " ".join((user.display_name or user.username).split()),
        "user": user,
        "forgotten": settings.PUBLIC_URL + reverse("forgotten"),
    }
    if link := _LINKS.get(Mail.Kind(mail.kind)):
        context |= {"link": link.url(user), "ends_at": timezone.now() + link.lifetime}
    subject, _, body = render_to_string(f"accounts/mail/{mail.kind}.txt", context).partition("\n\n")
    headers = {
        # The same at each try, so that a server or a reader can tell a repeat (RFC 5322, section 3.6.4).
        "Message-ID": f"<mail-{mail.pk}-{mail.created_at:%Y%m%d%H%M%S}@{_domain()}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no robot answers a robot
    }
    return EmailMessage(subject.strip(), body, to=[mail.address or user.email], headers=headers)


def _domain() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
