"""The outbox in the admin site: what is owed, what went out, what was given up."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from access.admin import PolicyModelAdmin
from access.database import as_login_role
from accounts.models import Mail, User
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
    personal = ("address",)
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

    @admin.action(description="Send again what was given up", permissions=["resend"])
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


class SendsLinks(PolicyModelAdmin):
    """Actions of the account list that send people a link, since nobody else sets their password."""

    actions = ["send_reset", "send_invitation"]

    @admin.action(description="Send a link to set a new password", permissions=["change"])
    def send_reset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._queue(request, queryset, Mail.Kind.PASSWORD_RESET, lambda user: True, "")

    @admin.action(description="Send the invitation again", permissions=["change"])
    def send_invitation(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        keys = [user.pk for user in queryset]
        with as_login_role():
            uninvited = set(User.objects.filter(pk__in=keys, password__startswith="!").values_list("pk", flat=True))
        self._queue(
            request,
            queryset,
            Mail.Kind.INVITATION,
            lambda user: user.pk in uninvited,
            "left out: a password is set already",
        )

    def _queue(
        self, request: HttpRequest, users: Iterable[User], kind: Mail.Kind, fits: Callable[[User], bool], otherwise: str
    ) -> None:
        counts: dict[str, int] = {}
        for user in users:
            why = self._reason_against(request, user) or ("" if fits(user) else otherwise)
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
        return "" if user.email else "left out: no email address"

    def _promise(self, request: HttpRequest, user: User, kind: Mail.Kind) -> None:
        Mail.objects.create(kind=kind, user=user)
        self.log_change(request, user, f"Queued a mail: {kind.label.lower()}.")


def _tell(page: admin.ModelAdmin, request: HttpRequest, outcomes: list[tuple[str, int, int]]) -> None:
    for what, number, level in outcomes:
        if number:
            page.message_user(request, f"{number} {what}.", level)
