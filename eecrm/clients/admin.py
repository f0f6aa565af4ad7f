from django.contrib import admin

from api.resources.search_admin import WordSearch
from audit.admin.entries import TrailHistory
from audit.admin.reasons import ReasonAdmin
from clients.importing.admin_pages import ClientImportPage
from clients.models import Client


@admin.register(Client)
class ClientAdmin(ClientImportPage, WordSearch, TrailHistory, ReasonAdmin):
    change_list_template = "admin/clients/client/change_list.html"
    resource = "client"
    list_display = ["company_name", "status", "email", "sales_contact", "updated_at"]
    list_filter = ["status", "sales_contact"]
    prefetched = ("sales_contact",)
    fieldsets = [
        (None, {"fields": ["company_name", "status", "sales_contact", "account"]}),
        ("Contact person", {"fields": ["first_name", "last_name", "email", "phone", "mobile"]}),
        ("Record", {"fields": ["created_at", "updated_at", "version"]}),
    ]
    readonly_fields = ["created_at", "updated_at", "version"]
