"""Admin page that hands a user's clients or events over to a successor. The page of each account has a link to it."""

import re
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from access import policy
from access.confirmation import Confirmation, Line, is_confirming
from access.database import give_reason
from access.policy import Role, Scope
from access.querysets import is_within
from access.refusals import refusal_to_show
from accounts.models import User
from audit.admin.reasons import ReasonField
from events.hand_over import (
    CELLS,
    CannotHandOver,
    HandOverCounts,
    clients_of,
    events_of,
    hand_over,
    lock,
    log_hand_over,
    numbers,
    successors,
)

_FORM_KEY = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class SuccessorField(forms.ModelChoiceField):
    def label_from_instance(self, obj: User) -> str:
        return f"{obj.display_name} ({obj.username}, {obj.get_role_display()})"


class HandOverForm(forms.Form):
    successor = SuccessorField(queryset=User.objects.none(), label="Successor", empty_label="Choose somebody")
    deactivates = forms.BooleanField(
        label="Deactivate the account",
        required=False,
        help_text="Afterwards. It logs out everywhere at once. Leave it unticked for somebody who only moves.",
    )
    change_reason = ReasonField(help_text="Why, in a line. The trail keeps it with each row that goes over.")

    def __init__(self, leaver: User, data: Any, *, may_deactivate: bool) -> None:
        super().__init__(data)
        self.fields["successor"].queryset = successors(leaver)  # type: ignore[attr-defined]  # it is a ModelChoiceField
        if not may_deactivate:
            del self.fields["deactivates"]


class HandOverPage(admin.ModelAdmin):
    """Adds the page `hand-over/<account>/` to the admin pages of events.

    The page is part of the app `events`, because it needs clients, contracts and events. The app `clients` may not
    import `events`.
    """

    def get_urls(self) -> list[URLPattern]:
        page = path("hand-over/<id:key>/", self.admin_site.admin_view(self.hand_over_page), name="hand_over")
        return [page, *super().get_urls()]

    def hand_over_page(self, request: HttpRequest, key: int) -> HttpResponse:
        if any(policy.rule(request.user, *cell).scope is not Scope.ALL for cell in CELLS):
            raise PermissionDenied
        visitor = cast(User, request.user)
        leaver = User.objects.visible_to(visitor).filter(pk=key).first()
        if leaver is None:
            raise Http404
        if is_confirming(request):
            lock(leaver, *_chosen_successor(request))
        may_deactivate = leaver.is_active and leaver.pk != visitor.pk and is_within(visitor, "update", leaver)
        form = HandOverForm(leaver, request.POST or None, may_deactivate=may_deactivate)
        counts = {str(role.label): numbers(leaver, role) for role in (Role.SALES, Role.SUPPORT)}
        lines = [*_lines(leaver, counts, may_deactivate=may_deactivate), *map(_successor_line, successors(leaver))]
        confirmation = Confirmation(request, f"hand over {leaver.pk}", lines)
        if form.is_valid() and confirmation.is_given:
            moved = self._hand_over(leaver, form)
            if moved is not None:
                return self._done(request, leaver, form.cleaned_data["successor"], moved)
        context = {
            **self.admin_site.each_context(request),
            "opts": User._meta,
            "title": f"Hand over from {leaver.display_name}",
            "leaver": leaver,
            "numbers": counts,
            "form": form,
            "confirmation": confirmation,
        }
        return TemplateResponse(request, "admin/events/event/hand_over.html", context)

    @staticmethod
    def _hand_over(leaver: User, form: HandOverForm) -> HandOverCounts | None:
        """Hands the rows over and returns their numbers. If refused, adds an error to the form and returns None."""
        chosen = form.cleaned_data
        give_reason(chosen["change_reason"])
        try:
            with transaction.atomic():
                return hand_over(leaver, chosen["successor"], deactivates=chosen.get("deactivates", False))
        except CannotHandOver as error:
            form.add_error(None, str(error))
        except DatabaseError as error:
            form.add_error(None, refusal_to_show(error).sentence)
        leaver.refresh_from_db(fields=["is_active"])
        return None

    @staticmethod
    def _done(request: HttpRequest, leaver: User, successor: User, moved: HandOverCounts) -> HttpResponse:
        sentence = f"{moved} went from {leaver} to {successor}."
        LogEntry.objects.create(
            user_id=cast(User, request.user).pk,
            content_type_id=ContentType.objects.get_for_model(User).pk,
            object_id=str(leaver.pk),
            object_repr=str(leaver),
            action_flag=CHANGE,
            change_message=sentence,
        )
        log_hand_over(leaver, successor, moved, request)
        messages.success(request, sentence if leaver.is_active else f"{sentence} The account is deactivated.")
        return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[leaver.pk]))


def _chosen_successor(request: HttpRequest) -> QuerySet[User]:
    """Returns the account that the user chose as the successor, even if the account isn't eligible."""
    key = request.POST.get("successor", "")
    return User.objects.filter(pk=key) if _FORM_KEY.fullmatch(key) else User.objects.none()


def _lines(leaver: User, counts: dict[str, HandOverCounts], *, may_deactivate: bool) -> list[Line]:
    """Returns the lines that the user confirms, with the primary keys of the leaver's rows and their times of creation.

    If a line had only the number of rows, a confirmation would stay valid after one client replaced another. After
    PostgreSQL's data was restored from an older copy, other rows and accounts may have the same keys.
    """
    rows_by_model = [
        [f"{key} {made.isoformat()}" for key, made in rows.order_by("pk").values_list("pk", "created_at")]
        for rows in (clients_of(leaver), events_of(leaver))
    ]
    lines = [
        Line(f"To a successor in {role}", str(count), repr(rows))
        for (role, count), rows in zip(counts.items(), rows_by_model, strict=True)
    ]
    state = "is active" if leaver.is_active else "is inactive"
    return [*lines, Line(f"The account {leaver}", state, f"{_identity(leaver)} {leaver.role} {may_deactivate}")]


def _successor_line(successor: User) -> Line:
    """Returns the line about a possible successor, for the page that the user confirms.

    The line names the successor's role, because the role decides which rows are handed over.
    """
    return Line(
        f"The successor {successor}",
        f"{successor.display_name}, {successor.get_role_display()}",
        _identity(successor),
    )


def _identity(account: User) -> str:
    return f"{account.pk} {account.date_joined.isoformat()}"
