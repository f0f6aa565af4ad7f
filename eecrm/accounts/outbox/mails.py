"""Composes the mails that are queued in the outbox, or returns the reason why a mail isn't sent."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from access import policy
from accounts.addresses import links as address_links
from accounts.models import AddressChange, Alert, ExternalIdentity, Mail, User
from accounts.outbox.news import ALERT_ORDER, news_for
from accounts.passwords import links

MAX_ALERTS = 50  # a mail lists at most this number of alerts

# Maps kinds of mails to the kind of password link that such a mail contains.
_LINK_KINDS = {
    Mail.Kind.INVITATION: links.INVITATION,
    Mail.Kind.PASSWORD_RESET: links.PASSWORD_RESET,
    Mail.Kind.FACTOR_RESET: links.PASSWORD_RESET,
}
# The account's owner gets mails of these kinds even if the account is inactive.
_OWNER_KINDS = (
    Mail.Kind.ADDRESS_NOTICE,
    Mail.Kind.ADDRESS_CHANGED,
    Mail.Kind.IDENTITY_BOUND,
    Mail.Kind.IDENTITY_REMOVED,
    Mail.Kind.MANAGER_UNMADE,
    Mail.Kind.FACTOR_SET_UP,
    Mail.Kind.FACTOR_REPLACED,
    Mail.Kind.FACTOR_REMOVED,
    Mail.Kind.FACTOR_RESET,
    Mail.Kind.RECOVERY_CODES,
    Mail.Kind.CODES_REFUSED,
)
# Kinds that may also go to an unconfirmed email address. Using an invitation confirms the address.
UNCONFIRMED_KINDS = (Mail.Kind.INVITATION, Mail.Kind.ADDRESS_CONFIRMATION, Mail.Kind.ADDRESS_CHANGED)


def reason_against(kind: str, user: User) -> str:
    """Returns a sentence with the reason why the account gets no mail of this kind. Returns "" if it gets the mail."""
    if kind in _OWNER_KINDS:
        return ""
    if not user.is_active:
        return "The account is inactive."
    if kind in (Mail.Kind.ACCOUNT_NEWS, Mail.Kind.UNUSUAL_ACTIVITY):
        is_manager = policy.scope_of("user", "update", user.effective_role) is not policy.NONE
        return "" if is_manager else "The account is no manager's any more."
    if kind == Mail.Kind.ADDRESS_CONFIRMATION:
        return "" if user.has_usable_password() else "Its owner has no password to confirm with: a second manager does."
    if kind not in _LINK_KINDS:
        return ""
    if ExternalIdentity.objects.filter(user=user).exists():
        return "The account logs in with an outside identity and has no password here."
    if kind == Mail.Kind.INVITATION and user.is_claimed:
        return "The account has had a password already."
    return ""


def without_recipient(mail: Mail, user: User) -> str:
    """Returns a sentence with the reason why the mail has no recipient. Returns "" if the mail has one."""
    if mail.kind == Mail.Kind.ADDRESS_CONFIRMATION:
        is_asked = AddressChange.objects.open().filter(user=user, address=mail.address).exists()
        return "" if is_asked else "This address isn't asked for any more."
    if not (mail.address or user.email):
        return "The account has no email address."
    is_allowed = mail.kind in UNCONFIRMED_KINDS or is_recipient_confirmed(mail, user)
    return "" if is_allowed else "The address of the account isn't confirmed."


def is_recipient_confirmed(mail: Mail, user: User) -> bool:
    """True if the mail goes to an address that the account's owner has confirmed.

    If the mail's row has an address of its own, the row also stores whether this address was confirmed when the mail
    was queued. The account's present state isn't used. Otherwise a manager could use up the limit for mails to
    strangers by many mails to a colleague's address, and then remove the address from the colleague's account. The
    mails about the removal would count as mails to a stranger, and would not be sent.
    """
    return mail.is_address_confirmed if mail.address else user.email_confirmed_at is not None


def _names(mail: Mail, user: User) -> dict[str, str]:
    """Returns the template values `greeting` and `account`, which contain names of the account.

    In a mail to an unconfirmed address, the values contain no name. Otherwise a user could choose a name like
    `evil.example`, which mail programs turn into a link, and have the name mailed to a stranger.
    """
    if not is_recipient_confirmed(mail, user):
        return {"greeting": "Hello,", "account": "your account"}
    name = " ".join((user.display_name or user.username).split())
    return {"greeting": f"Hello {name},", "account": f"your account {user.username}"}


def compose(mail: Mail, user: User) -> EmailMessage | None:
    """Returns the mail to send now. The lifetime of its link begins now.

    Returns None if an earlier mail has already reported all news of this mail.
    """
    context: dict[str, Any] = {"forgotten": settings.PUBLIC_URL + reverse("forgotten")} | _names(mail, user)
    if (link := _LINK_KINDS.get(Mail.Kind(mail.kind))) and _may_have_link(mail, user):
        context |= {"link": link.url(user), "ends_at": timezone.now() + link.lifetime}
    if mail.kind == Mail.Kind.ADDRESS_CONFIRMATION:
        context |= address_links.context(AddressChange.objects.get(user=user, address=mail.address))
    if mail.kind == Mail.Kind.ADDRESS_NOTICE and (change := AddressChange.objects.open().filter(user=user).first()):
        context |= address_links.objection_context(change)
    if mail.alert:  # the mail lists all alerts that were stored together with `mail.alert`
        alerts = list(Alert.objects.filter(told_at=mail.alert.told_at).order_by(*ALERT_ORDER))
        context |= {"alerts": alerts[:MAX_ALERTS], "more": len(alerts[MAX_ALERTS:])}
    if mail.kind == Mail.Kind.ACCOUNT_NEWS:
        context["news"] = news_for(mail)
        if not context["news"]:
            return None
    subject, _, body = render_to_string(f"accounts/mail/{mail.kind}.txt", context).partition("\n\n")
    headers = {
        # Each try sends the same Message-ID: servers and mail programs recognise a repeat (RFC 5322, section 3.6.4).
        "Message-ID": f"<mail-{mail.pk}-{mail.created_at:%Y%m%d%H%M%S}@{_domain()}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: mail programs don't answer such a mail automatically
        # The same for Exchange (MS-OXCMAIL). The value `All` would also end reports of mails that can't be delivered.
        "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
    }
    return EmailMessage(subject.strip(), body, to=[mail.address or user.email], headers=headers)


def _may_have_link(mail: Mail, user: User) -> bool:
    """Returns True if the mail may contain a link to a new password.

    A mail about a reset second factor goes to the address that the account had then. If the account has changed since,
    the mail has no link, because a link opens the account as it is now.
    """
    if mail.kind != Mail.Kind.FACTOR_RESET:
        return True
    is_present_address = user.email.lower() == (mail.address or user.email).lower()
    return is_present_address and not reason_against(Mail.Kind.PASSWORD_RESET, user)


def _domain() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
