"""Admin pages of the outbox: mails that wait, mails that were sent, and mails that the worker has given up."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, Prefetch, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince

from access.admin import PolicyModelAdmin
from access.confirmation import Line
from access.confirmed_admin import confirmed_action
from accounts.models import Mail, User
from accounts.passwords import links
from accounts.passwords.links import link_queued
from audit.admin.versioned import VersionedAdmin
from csv_files.words import counted


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("waiting", "Waiting"),
            ("sent", "Sent"),
            ("given_up", "Given up"),
            ("refused", "Refused for good"),
            ("bounced", "Bounced"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "waiting":
                return queryset.waiting()
            case "sent":
                return queryset.exclude(sent_at=None)
            case "given_up":
                return queryset.given_up()
            case "refused":
                return queryset.refused()
            case "bounced":
                return queryset.bounced()
        return queryset


class InvitationFilter(admin.SimpleListFilter):
    title = "invitation"
    parameter_name = "invitation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Not used yet")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(is_claimed=False, is_active=True) if self.value() == "pending" else queryset


# Loads the invitations of all accounts of a list with one query, the latest first.
INVITATIONS = Prefetch(
    "mails", queryset=Mail.objects.filter(kind=Mail.Kind.INVITATION).order_by("-pk"), to_attr="invitations"
)


@admin.display(description="Last login", ordering="last_login")
def last_login_or_invitation(account: User) -> Any:
    """Returns the time of the last login, or the state and age of the latest invitation if its owner has used none."""
    if account.last_login or account.is_claimed or not account.is_active:
        return account.last_login
    invitation = next(iter(account.invitations), None)  # type: ignore[attr-defined]  # from INVITATIONS
    if invitation is None:
        return "Not invited"
    is_over = invitation.sent_at and timezone.now() - invitation.sent_at > links.INVITATION.lifetime
    state = "Expired" if is_over and not invitation.bounced_at else invitation.state
    return f"Invitation {state.lower()}, {timesince(invitation.created_at, depth=1)} ago"


@admin.register(Mail)
class MailAdmin(VersionedAdmin):
    """Read-only admin pages of mails.

    If the worker has given up a mail, a user who may update mails can have this mail sent again.
    """

    resource = "mail"
    prefetched = ("user",)
    list_display = ["kind", "user", "state", "created_at", "sent_at", "error"]  # what fits into 1,280 pixels
    list_filter = [StateFilter, "kind", "created_at"]
    search_fields = ["user__username"]
    actions = ["send_again"]
    fieldsets = [
        (None, {"fields": ["kind", "user", "address"]}),
        (
            "Record",
            {
                "fields": [
                    "state",
                    "created_at",
                    "due_at",
                    "attempts",
                    "deferrals",
                    "sent_at",
                    "given_up_at",
                    "bounced_at",
                    "error",
                ]
            },
        ),
    ]
    readonly_fields = ["state", "deferrals", "bounced_at"]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, "update", None)

    def _repeat_lines(self, request: HttpRequest, mails: list[Mail]) -> list[Line]:
        return [
            Line(
                f"{mail} (mail {mail.pk})",
                f"will be sent again to {_recipient(mail)}" if mail.given_up_at else "left alone: not given up",
            )
            for mail in mails
        ]

    @confirmed_action(_repeat_lines, description="Send again what was given up", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        given_up = list(queryset.given_up())
        rows = Mail.objects.filter(pk__in=[mail.pk for mail in given_up])
        rows.update(given_up_at=None, due_at=Now(), attempts=0, error="")
        for mail in given_up:
            self.log_change(request, mail, "To be sent again.")
            if mail.kind in PASSWORD_LINKS:
                link_queued(mail.user_id, mail.kind, request)
        left = queryset.count() - len(given_up)
        _report_mails(
            self,
            request,
            [
                ("will be sent again", len(given_up), messages.SUCCESS),
                ("left alone: not given up", left, messages.WARNING),
            ],
        )


PASSWORD_LINKS = (Mail.Kind.INVITATION, Mail.Kind.PASSWORD_RESET)
MAX_LINKS_PER_DAY = 5


class SendsLinks(PolicyModelAdmin):
    """Mixin for the account list, with actions that send the owner of an account a link to choose a password.

    Managers send links because only the owner can set the account's password.
    """

    actions = ["send_reset", "send_invitation"]

    def _reset_lines(self, request: HttpRequest, users: list[User]) -> list[Line]:
        return [self._mail_line(user, reason) for user, reason in self._reasons_against_resets(request, users)]

    @confirmed_action(_reset_lines, description="Send a link to set a new password", permissions=["change"])
    def send_reset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._queue(request, self._reasons_against_resets(request, queryset), Mail.Kind.PASSWORD_RESET)

    def _reasons_against_resets(self, request: HttpRequest, users: Iterable[User]) -> list[tuple[User, str]]:
        unconfirmed = "left out: the address isn't confirmed"
        return [
            (user, self._reason_against(request, user) or ("" if user.email_confirmed_at else unconfirmed))
            for user in users
        ]

    def _invitation_lines(self, request: HttpRequest, users: list[User]) -> list[Line]:
        return [self._mail_line(user, reason) for user, reason in self._reasons_against_invitations(request, users)]

    def _mail_line(self, user: User, reason: str) -> Line:
        """Returns the account's line on the confirmation page, with the number of links mailed within a day.

        Each mailed link changes this number. The server compares the line that was shown with the present line, so a
        confirmation page can't be used twice.
        """
        count = self._links_of_today(user)
        beside = f", beside {counted(count, 'link')} within a day" if count else ""
        return Line(str(user), reason or f"will get a link at {user.email}{beside}")

    @confirmed_action(_invitation_lines, description="Send the invitation again", permissions=["change"])
    def send_invitation(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._queue(request, self._reasons_against_invitations(request, queryset), Mail.Kind.INVITATION)

    def _reasons_against_invitations(self, request: HttpRequest, users: Iterable[User]) -> list[tuple[User, str]]:
        claimed = "left out: a password has been set"
        return [(user, self._reason_against(request, user) or (claimed if user.is_claimed else "")) for user in users]

    def _links_of_today(self, user: User) -> int:
        """Returns the number of password links that were mailed to the account within a day.

        The trigger `links_not_too_often` counts the same mails and refuses further ones.
        """
        recent = Mail.objects.filter(user=user, kind__in=PASSWORD_LINKS, created_at__gt=Now() - timedelta(days=1))
        return recent.count()

    def _queue(self, request: HttpRequest, reasons: Iterable[tuple[User, str]], kind: Mail.Kind) -> None:
        counts: dict[str, int] = {}
        for user, reason in reasons:
            counts[reason] = counts.get(reason, 0) + 1
            if not reason:
                self._queue_mail(request, user, kind)
        outcomes = [
            (reason or "will get a link", number, messages.WARNING if reason else messages.SUCCESS)
            for reason, number in counts.items()
        ]
        _report_mails(self, request, outcomes)

    def _reason_against(self, request: HttpRequest, user: User) -> str:
        if not self.has_change_permission(request, user):
            return "left out: not yours to change"
        if not user.is_active:
            return "left out: inactive"
        if not user.email:
            return "left out: no email address"
        has_many = self._links_of_today(user) >= MAX_LINKS_PER_DAY
        return f"left out: was sent {MAX_LINKS_PER_DAY} links within a day" if has_many else ""

    def _queue_mail(self, request: HttpRequest, user: User, kind: Mail.Kind) -> None:
        Mail.objects.create(kind=kind, user=user)
        self.log_change(request, user, f"Queued a mail: {kind.label.lower()}.")
        link_queued(user.pk, kind, request)


def _recipient(mail: Mail) -> str:
    return mail.address or mail.user.email


def _report_mails(page: admin.ModelAdmin, request: HttpRequest, outcomes: list[tuple[str, int, int]]) -> None:
    for outcome, number, level in outcomes:
        if number:
            page.message_user(request, f"{number} {outcome}.", level)
