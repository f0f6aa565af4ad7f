from django.contrib import admin

from access.admin import PolicyModelAdmin
from audit.models import Entry
from audit.restoring_admin import RestoringAdmin


@admin.register(Entry)
class EntryAdmin(RestoringAdmin, PolicyModelAdmin):
    resource = "trail"
    list_display = ["at", "actor_name", "operation", "table_name", "row_key", "channel", "reason"]
    ordering = ["-id"]
