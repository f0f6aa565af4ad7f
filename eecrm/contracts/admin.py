from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from api.resources.search_admin import WordSearch
from audit.admin.entries import TrailHistory
from audit.admin.reasons import ReasonAdmin
from contracts.models import Contract


@admin.register(Contract)
class ContractAdmin(WordSearch, TrailHistory, ReasonAdmin):
    resource = "contract"
    list_display = ["name", "client", "status", "amount", "payment_due", "signed_at"]
    list_filter = ["status", "payment_due"]
    prefetched = ("client",)
    autocomplete_fields = ["client"]
    fieldsets = [
        (None, {"fields": ["client", "name", "status", "amount", "currency", "payment_due"]}),
        ("Record", {"fields": ["signed_at", "created_at", "updated_at", "version"]}),
    ]
    readonly_fields = ["signed_at", "created_at", "updated_at", "version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Makes the field `client` read-only for an existing contract, because a contract never changes its client."""
        return [*self.readonly_fields, *(["client"] if obj else [])]
