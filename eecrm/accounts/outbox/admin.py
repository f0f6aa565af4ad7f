"""The outbox in the admin site: what is owed, what went out, what was given up."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from access.admin import PolicyModelAdmin
from access.confirmation import Line
from access.confirmed_admin import confirmed
from accounts.models import Mail, User
from api.tables.words import counted
from audit.versioned_admin import VersionedAdmin


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waiting"), ("sent", "Sent"), ("given_up", "Given up")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "waiting":
                return queryset.waiting()
            case "sent":
                return queryset.exclude(sent_at=None)
            case "given_up":
                return queryset.given_up()
        return queryset


@admin.register(Mail)
class MailAdmin(VersionedAdmin):
    """Nobody writes a mail here. Whoever may update one may have it sent again."""

    resource = "mail"
    prefetched = ("user",)
    list_display = ["kind", "user", "created_at", "due_at", "attempts", "sent_at", "given_up_at", "error"]
    list_filter = [StateFilter, "kind", "created_at"]
    search_fields = ["user__username"]
    actions = ["send_again"]
    fieldsets = [
        (None, {"fields": ["kind", "user", "address"]}),
        ("Record", {"fields": ["created_at", "due_at", "attempts", "sent_at", "given_up_at", "error"]}),
    ]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, "update", None)

    def _repeats(self, request: HttpRequest, mails: list[Mail]) -> list[Line]:
        return [
            Line(
                f"{mail} (mail {mail.pk})",
                f"will be sent again to {_recipient(mail)}" if mail.given_up_at else "left alone: not given up",
            )
            for mail in mails
        ]

    @confirmed(_repeats, description="Send again what was given up", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        dead = list(queryset.given_up())
        rows = Mail.objects.filter(pk__in=[mail.pk for mail in dead])
        rows.update(given_up_at=None, due_at=Now(), attempts=0, error="")
        for mail in dead:
            self.log_change(request, mail, "To be sent again.")
        left = queryset.count() - len(dead)
        _tell(
            self,
            request,
            [("will be sent again", len(dead), messages.SUCCESS), ("left alone: not given up", left, messages.WARNING)],
        )


LINKS, MOST_LINKS = (Mail.Kind.INVITATION, Mail.Kind.PASSWORD_RESET), 5


class SendsLinks(PolicyModelAdmin):
    """Actions of the account list that send people a link, since nobody else sets their password."""

    actions = ["send_reset", "send_invitation"]

    def _resets(self, request: HttpRequest, users: list[User]) -> list[Line]:
        return [self._line(user, reason) for user, reason in self._reasons_against_resets(request, users)]

    @confirmed(_resets, description="Send a link to set a new password", permissions=["change"])
    def send_reset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._queue(request, self._reasons_against_resets(request, queryset), Mail.Kind.PASSWORD_RESET)

    def _reasons_against_resets(self, request: HttpRequest, users: Iterable[User]) -> list[tuple[User, str]]:
        otherwise = "left out: the address isn't confirmed"
        return [
            (user, self._reason_against(request, user) or ("" if user.email_confirmed_at else otherwise)) for user in users
        ]

    def _invitations(self, request: HttpRequest, users: list[User]) -> list[Line]:
        return [self._line(user, reason) for user, reason in self._reasons_against_invitations(request, users)]

    def _line(self, user: User, reason: str) -> Line:
        """With the links of the day: a second click would send another one."""
        before = self._links_of_today(user)
        beside = f", beside {counted(before, 'link')} within a day" if before else ""
        return Line(str(user), reason or f"will get a link at {user.email}{beside}")

    @confirmed(_invitations, description="Send the invitation again", permissions=["change"])
    def send_invitation(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._queue(request, self._reasons_against_invitations(request, queryset), Mail.Kind.INVITATION)

    def _reasons_against_invitations(self, request: HttpRequest, users: Iterable[User]) -> list[tuple[User, str]]:
        otherwise = "left out: a password has been set"
        return [
            (user, self._reason_against(request, user) or (otherwise if user.is_claimed else "")) for user in users
        ]

    def _links_of_today(self, user: User) -> int:
        """The trigger `links_not_too_often` counts the same."""
        return Mail.objects.filter(user=user, kind__in=LINKS, created_at__gt=Now() - timedelta(days=1)).count()

    def _queue(self, request: HttpRequest, reasons: Iterable[tuple[User, str]], kind: Mail.Kind) -> None:
        counts: dict[str, int] = {}
        for user, why in reasons:
            counts[why] = counts.get(why, 0) + 1
            if not why:
                self._promise(request, user, kind)
        outcomes = [
            (why or "will get a link", number, messages.WARNING if why else messages.SUCCESS)
            for why, number in counts.items()
        ]
        _tell(self, request, outcomes)

    def _reason_against(self, request: HttpRequest, user: User) -> str:
        if not self.has_change_permission(request, user):
            return "left out: not yours to change"
        if not user.is_active:
            return "left out: inactive"
        if not user.email:
            return "left out: no email address"
        return f"left out: was sent {MOST_LINKS} links within a day" if self._links_of_today(user) >= MOST_LINKS else ""

    def _promise(self, request: HttpRequest, user: User, kind: Mail.Kind) -> None:
        Mail.objects.create(kind=kind, user=user)
        self.log_change(request, user, f"Queued a mail: {kind.label.lower()}.")


def _recipient(mail: Mail) -> str:
    return mail.address or (mail.user.email if mail.user else "") or "the accounts that go by what was typed"


def _tell(page: admin.ModelAdmin, request: HttpRequest, outcomes: list[tuple[str, int, int]]) -> None:
    for what, number, level in outcomes:
        if number:
            page.message_user(request, f"{number} {what}.", level)
