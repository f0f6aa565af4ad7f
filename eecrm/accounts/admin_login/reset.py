"""Reset of a second factor, for example after the account's owner has lost the phone.

Another manager or a superuser removes the second factor, so that the account's owner can set up a new one.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_totp.models import TOTPDevice

from access.confirmation import Line
from access.confirmed_admin import confirmed_action
from access.database import as_login_role
from access.security_log import security_event
from accounts.admin_login import second_factor
from accounts.models import Mail, User
from accounts.passwords.links import link_queued


def reset(user: User, request: HttpRequest | None = None) -> bool:
    """Removes the account's second factor. Returns True if the account had one.

    Triggers then end every login of the account, make its password unusable, and mail the owner a link to choose a new
    password. If the old password stayed valid, a thief of that password could set up the next second factor.
    """
    # The account's row is locked first, as at a login or at the set-up of a second factor. Another order could deadlock.
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)
    if not second_factor.erase(user):
        return False
    security_event("authn_token_revoked", request, account=user.pk, factor="totp", reason="reset")
    if user.email_confirmed_at:
        link_queued(user.pk, Mail.Kind.FACTOR_RESET, request)
    return True


def _resets(accounts: Any, request: HttpRequest, users: list[User]) -> Iterator[Line]:
    """Yields the lines of the confirmation page, one line for each account.

    A line contains the primary key of the account's second factor. If the second factor is replaced after the page was
    shown, the line changes. The server then asks for a new confirmation, and doesn't remove the new second factor. The
    line shows the email address to which the password link goes.
    """
    with as_login_role():
        devices = dict(TOTPDevice.objects.filter(user__in=users, confirmed=True).values_list("user_id", "pk"))
    for user in users:
        if user.pk == request.user.pk:
            outcome = "left out: nobody resets their own"
        elif not accounts.has_change_permission(request, user):
            outcome = "left out: not yours to change"
        else:
            outcome = f"loses its second factor{_link(user)}" if user.pk in devices else "left out: it has none"
        yield Line(str(user), outcome, str(devices.get(user.pk)))


def _link(user: User) -> str:
    return (
        f", and gets a link at {user.email}"
        if user.email_confirmed_at
        else ", and gets no link: its address isn't confirmed"
    )


@confirmed_action(_resets, description="Reset the second factor (lost phone)", permissions=["change"])
def reset_second_factor(accounts: Any, request: HttpRequest, chosen: QuerySet[User]) -> None:
    for user in chosen:
        if user.pk == request.user.pk:
            messages.error(
                request, "Nobody resets their own second factor: a colleague does, or you replace it with a code."
            )
        elif not accounts.has_change_permission(request, user):
            messages.error(request, f"The second factor of {user} is a superuser's to reset.")
        elif reset(user, request):
            accounts.log_change(request, user, "Reset the second factor.")
            messages.success(
                request, f"The second factor of {user} is reset. {user} gets a link to a new password by mail."
            )
        else:
            messages.info(request, f"There is no second factor of {user} to reset.")
