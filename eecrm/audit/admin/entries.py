"""Read-only admin pages of the audit trail. Only roles with the right to read the trail may open the pages."""

from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator, capfirst

from access.admin import PolicyModelAdmin
from access.policy import Scope
from access.request_rules import rule_for
from audit.admin.differences import VERBS, changed, row_key_of, tell
from audit.admin.filters import FILTERS, MAX_COUNTED_ENTRIES, BoundedPaginator, matching
from audit.admin.row_names import Value, kind_of, linked
from audit.admin.versioned import VersionedAdmin
from audit.models import Entry
from audit.restore.admin_pages import RestoringAdmin
from audit.trail.representation import role_in_words

ENTRIES_OF_A_ROW = 25  # number of entries on one *History* page of a row


@admin.register(Entry)
class EntryAdmin(RestoringAdmin, PolicyModelAdmin):
    resource = "trail"
    list_display = ["time", "person", "what", "row", "channel_used", "role_entered", "why", "request"]
    list_filter = FILTERS
    search_fields = ["request_id"]  # makes Django show a search box; `get_search_results` does the search
    search_help_text = "A request id, the number of an object, or words of a reason."
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_max_show_all = 0
    fields = ()

    class Media:
        css = {"all": ["audit/trail.css"]}

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Lists the newest entries first: by time if the day filter is used, otherwise by id.

        PostgreSQL needn't sort the entries, because an index exists for each order.
        """
        return ("-at", "-id") if request.GET.get("day") else ("-id",)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return matching(queryset, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Shows the list without Django's sidebar, because the columns need the whole width."""
        context = {"title": "Audit trail", "is_nav_sidebar_enabled": False}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        changelist.result_list = entries = list(changelist.result_list)
        changelist.is_bounded = changelist.result_count >= MAX_COUNTED_ENTRIES
        # If `full_result_count` differs from `result_count`, Django's template shows a count next to the search box.
        # Here both are equal, so the template shows the count only below the list.
        changelist.full_result_count = changelist.result_count
        names = linked(self.admin_site, request, map(row_key_of, entries))
        for entry in entries:
            entry.named = names.get(row_key_of(entry), Value(Truncator(entry.row_key).chars(12)))
        return changelist

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        entry: Entry = kwargs["obj"]
        described = tell(self.admin_site, request, [entry])[0]
        context |= {
            "title": f"{capfirst(described.kind)} {described.row.text} {described.verb}",
            "subtitle": None,
            "described": described,
            "of_request": _list_address(request=entry.request_id) if entry.request_id else "",
            "of_row": _list_address(kind=entry.table_name, object=entry.row_key),
            "of_person": _list_address(person=f"#{entry.actor_id}") if entry.actor_id is not None else "",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="time (UTC)")
    def time(self, entry: Entry) -> str:
        return f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="person")
    def person(self, entry: Entry) -> str:
        return entry.actor_name or "–"

    @admin.display(description="action")
    def what(self, entry: Entry) -> str:
        fields = f" {', '.join(changed(entry))}" if entry.operation == "update" else ""
        return f"{VERBS[entry.operation]}{fields}"

    @admin.display(description="object")
    def row(self, entry: Any) -> str:
        text = f"{kind_of(entry.table_name)} {entry.named.text}"
        return format_html('<a href="{}">{}</a>', entry.named.url, text) if entry.named.url else text

    @admin.display(description="channel")
    def channel_used(self, entry: Entry) -> str:
        return entry.channel

    @admin.display(description="role")
    def role_entered(self, entry: Entry) -> str:
        return role_in_words(entry.role)

    @admin.display(description="reason")
    def why(self, entry: Entry) -> str:
        return entry.reason or "–"

    @admin.display(description="request")
    def request(self, entry: Entry) -> str:
        if not entry.request_id:
            return "–"
        address, short = _list_address(request=entry.request_id), Truncator(entry.request_id).chars(12)
        return format_html('<a href="{}" title="Everything of request {}">{}</a>', address, entry.request_id, short)


def _list_address(**filters: str) -> str:
    """Returns the URL of the admin list of trail entries with these filters."""
    return f"{reverse('admin:audit_entry_changelist')}?{urlencode(filters)}"


class TrailHistory(VersionedAdmin):
    """Shows the trail on the *History* page of a row, because Django's own log has only changes made on admin pages.

    Users who may not read the trail see Django's log.
    """

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if rule_for(request, "trail", "retrieve").scope is Scope.NONE:
            return super().history_view(request, object_id, extra_context)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            # The type stubs of Django don't have this method.
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        entries = Entry.objects.visible_to(request.user).about(row)
        page = BoundedPaginator(entries, ENTRIES_OF_A_ROW).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Change history: {row}",
            "subtitle": None,
            "object": row,
            "object_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[quote(row.pk)]),
            "opts": self.opts,
            "page": page,
            "described_entries": tell(self.admin_site, request, list(page)),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/audit/object_history.html", context)
