"""Admin pages of leave covers: a colleague stands in for another one who is on leave.

Managers grant and end leave covers. Auditors can only read them.
"""

import logging
from typing import Any

from django.contrib import admin, messages
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from access.confirmation import Line
from access.confirmed_admin import confirmed_action
from access.policy import contact_roles
from access.security_log import security_event
from accounts.models import PUBLIC_FIELDS, Cover, User
from api.times import format_local
from audit.admin.entries import TrailHistory


@admin.register(Cover)
class CoverAdmin(TrailHistory):
    """Admin pages of leave covers. A trigger sets `granted_by` to the manager who saves the cover."""

    resource = "cover"
    list_display = ["colleague", "substitute", "starts_at", "ends_at", "is_current", "reason", "granted_by"]
    list_filter = ["starts_at", "ends_at"]
    search_fields = [
        "colleague__username",
        "colleague__display_name",
        "substitute__username",
        "substitute__display_name",
    ]
    prefetched = ("colleague", "substitute", "granted_by")
    fieldsets = [
        (None, {"fields": ["colleague", "substitute", "starts_at", "ends_at", "reason"]}),
        ("Record", {"fields": ["granted_by", "created_at"]}),
    ]
    readonly_fields = ["granted_by", "created_at"]
    actions = ["end_now"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Makes all fields of an existing cover read-only except its end, because a cover can only be ended early."""
        return [*self.readonly_fields, *(["colleague", "substitute", "starts_at", "reason"] if obj else [])]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": timezone.now()} | super().get_changeform_initial_data(request)

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        people = User.objects.active().filter(role__in=contact_roles(), is_superuser=False)
        return super().formfield_for_foreignkey(db_field, request, queryset=people.only(*PUBLIC_FIELDS), **kwargs)

    @admin.display(boolean=True, description="in effect")
    def is_current(self, cover: Cover) -> bool:
        return cover.starts_at <= timezone.now() < cover.ends_at

    def save_model(self, request: HttpRequest, obj: Cover, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.changed_data or not change:
            self._log_cover(request, obj, "cover ended early" if change else "cover granted")

    def _ending_lines(self, request: HttpRequest, covers: list[Cover]) -> list[Line]:
        now = timezone.now()
        return [
            Line(
                f"{cover} (cover {cover.pk})",
                f"ends now, instead of at {format_local(cover.ends_at, '%d %B %Y, %H:%M:%S')}"
                if cover.ends_at > now
                else "is over already",
            )
            for cover in covers
        ]

    @confirmed_action(_ending_lines, description="End now", permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Cover]) -> None:
        """Ends the chosen leave covers now. A chosen cover that hasn't begun never takes effect."""
        covers = list(queryset.filter(ends_at__gt=timezone.now()))
        Cover.objects.filter(pk__in=[cover.pk for cover in covers]).end()
        for cover in covers:
            self.log_change(request, cover, "Ended.")
            self._log_cover(request, cover, "cover ended early")
        messages.success(request, f"{len(covers)} of the chosen covers ended now; the others were over already.")

    @staticmethod
    def _log_cover(request: HttpRequest, cover: Cover, change: str) -> None:
        security_event(
            "privilege_permissions_changed",
            request,
            level=logging.INFO,
            change=change,
            account=cover.substitute_id,
            colleague=cover.colleague_id,
            cover=cover.pk,
        )
