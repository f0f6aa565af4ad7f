from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from api.resources.search_admin import WordSearch
from audit.admin.entries import TrailHistory
from audit.admin.reasons import ReasonAdmin
from events.hand_over_admin import HandOverPage
from events.models import Event


@admin.register(Event)
class EventAdmin(WordSearch, HandOverPage, TrailHistory, ReasonAdmin):
    resource = "event"
    list_display = ["name", "contract", "status", "support_contact", "starts_at", "attendees"]
    list_filter = ["status", "support_contact", "starts_at"]
    prefetched = ("contract", "support_contact")
    autocomplete_fields = ["contract"]
    fieldsets = [
        (None, {"fields": ["contract", "name", "status", "support_contact"]}),
        ("The party", {"fields": ["starts_at", "ends_at", "location", "attendees", "notes"]}),
        ("Record", {"fields": ["created_at", "updated_at", "version"]}),
    ]
    readonly_fields = ["created_at", "updated_at", "version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Makes the field `contract` read-only for an existing event, because an event never changes its contract."""
        return [*self.readonly_fields, *(["contract"] if obj else [])]
