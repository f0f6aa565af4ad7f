"""Page of the admin site that imports a list of clients, with the rights of the logged-in user."""

from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from access import policy
from access.confirmation import Confirmation, Line
from access.policy import Scope
from access.security_log import security_event
from accounts.importing.saving import NotAsShown
from accounts.models import User
from clients.importing.report import client_import_summary, set_aside_report
from clients.importing.saving import ImportOutcome
from clients.importing.set_aside import set_aside_csv
from clients.importing.uploads import CheckedUpload, ClientUpload, ClientUploadForm
from clients.models import Client
from csv_files import CannotImport

MAX_ROWS_SHOWN = 200  # the check page lists so many new prospects

_TITLE = "Import clients"


class ClientImportPage(admin.ModelAdmin):
    """Adds the page `import/` to the list of clients. It needs the right to create clients for any sales user."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_page)
        return [path("import/", view, name="clients_client_import"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        button = {"may_import": self._may_import(request)}
        return super().changelist_view(request, {**(extra_context or {}), **button})

    def import_page(self, request: HttpRequest) -> HttpResponse:
        """Page of an import in three steps: choose a file, check its effect, confirm the import."""
        if not self._may_import(request):
            security_event("authz_fail", request, what=_TITLE)
            sentence = "Your role may not create clients for others."
            return self._page(request, "admin/accounts/user/closed.html", _TITLE, status=403, sentence=sentence)
        if request.method != "POST":
            return self._choose(request, ClientUploadForm())
        if "checked" in request.POST:
            return self._answer_check(request, request.POST["checked"])
        form = ClientUploadForm(request.POST, request.FILES)
        return self._check(request, form.upload()) if form.is_valid() else self._choose(request, form)

    def _may_import(self, request: HttpRequest) -> bool:
        return policy.rule(_visitor(request), "client", "create").scope is Scope.ALL

    def _choose(self, request: HttpRequest, form: ClientUploadForm, problems: str = "") -> HttpResponse:
        return self._page(
            request, "admin/clients/client/import.html", _TITLE, form=form, problems=problems.splitlines()
        )

    def _check(self, request: HttpRequest, upload: ClientUpload) -> HttpResponse:
        """Shows the prospects that the import would make now."""
        try:
            checked = upload.imported(is_dry_run=True)
            confirmation = _confirmation(request, checked.outcome)
            signed = upload.signed(_visitor(request), beside=len(confirmation.token))
        except CannotImport as error:
            initial = {
                "sales_contact": upload.options.sales_contact_id,
                "country": upload.options.country,
                "leaves_out_phones": upload.options.leaves_out_phones,
                "sets_aside": upload.options.sets_aside,
            }
            return self._choose(request, ClientUploadForm(initial=initial), str(error))
        new = checked.outcome.imported
        context: dict[str, Any] = {
            "report": [*checked.report, *_summary(checked, upload, is_dry_run=True)],
            "new": [candidate.client for candidate in new[:MAX_ROWS_SHOWN]],
            "not_shown": len(new[MAX_ROWS_SHOWN:]),
            "has_rows_aside": bool(checked.rows_aside),
            "signed": signed,
            "confirmation": confirmation,
        }
        return self._page(request, "admin/clients/client/import_check.html", f"{_TITLE}: check", **context)

    def _answer_check(self, request: HttpRequest, signed: str) -> HttpResponse:
        try:
            upload = ClientUpload.unsigned(signed, _visitor(request))
            if "problems" in request.POST:
                return _download(upload.imported(is_dry_run=True))
            checked = upload.imported(
                is_dry_run=False, is_confirmed=lambda outcome: _confirmation(request, outcome).is_given
            )
        except BadSignature:
            sentence = "This list was checked too long ago, or not for you: choose the file again."
            return self._choose(request, ClientUploadForm(), sentence)
        except (NotAsShown, CannotImport):
            return self._check(request, upload)
        first, *_ = _summary(checked, upload, is_dry_run=False)
        LogEntry.objects.create(
            user_id=_visitor(request).pk,
            content_type_id=ContentType.objects.get_for_model(Client).pk,
            object_repr="Import of clients",
            action_flag=CHANGE,
            change_message=first,
        )
        messages.success(request, first)
        return HttpResponseRedirect(reverse("admin:clients_client_changelist"))

    def _page(
        self, request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, template, shown, status=status)


def _summary(checked: CheckedUpload, upload: ClientUpload, *, is_dry_run: bool) -> list[str]:
    contact = User.objects.sales_contacts().filter(pk=upload.options.sales_contact_id).first()
    name = contact.display_name if contact else "–"
    lines = [*client_import_summary(checked.outcome, name, is_dry_run=is_dry_run)]
    if checked.rows_aside:
        lines += set_aside_report([problem for _, problem in checked.rows_aside], "problems.csv", is_dry_run=is_dry_run)
    return lines


def _download(checked: CheckedUpload) -> HttpResponse:
    return HttpResponse(
        set_aside_csv(checked.clients.table, checked.rows_aside),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="problems.csv"'},
    )


def _confirmation(request: HttpRequest, outcome: ImportOutcome) -> Confirmation:
    return Confirmation(request, "import clients", _lines(outcome))


def _lines(outcome: ImportOutcome) -> Iterator[Line]:
    """Yields the lines of the page on which the user confirms the import: one for each new prospect."""
    for candidate in outcome.imported:
        client = candidate.client
        state = repr((client.first_name, client.last_name, str(client.phone), str(client.mobile)))
        yield Line(client.email, client.company_name, state)


def _visitor(request: HttpRequest) -> User:
    """Returns the logged-in user of the HTTP request. `admin_view` has refused anonymous visitors before."""
    return cast(User, request.user)
