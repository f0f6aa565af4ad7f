"""Admin pages of alerts: read-only, for roles that may read the audit trail."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from access.admin import PolicyModelAdmin
from access.policy import Scope
from accounts.models import Alert


@admin.register(Alert)
class AlertAdmin(PolicyModelAdmin):
    resource = "trail"
    list_display = ["id", "kind", "actor", "subject", "count", "first_at"]
    list_filter = ["kind", "told_at"]
    search_fields = ["actor_name"]
    fieldsets = [(None, {"fields": ["kind", "actor", "subject", "count", "first_at", "last_at", "told_at"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Returns all alerts, because a user who may open the page may see each alert."""
        return super(PolicyModelAdmin, self).get_queryset(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._scope(request, "retrieve") is Scope.ALL

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="account")
    def actor(self, alert: Alert) -> str:
        return alert.actor
