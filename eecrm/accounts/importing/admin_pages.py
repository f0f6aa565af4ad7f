"""Pages of the admin site that import and export lists of accounts, with the rights of the logged-in user."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from access.confirmation import Confirmation
from access.security_log import security_event
from accounts.importing.columns import ACCOUNT_COLUMNS
from accounts.importing.export import BYTE_ORDER_MARK, accounts_csv, exported, may_export
from accounts.importing.planning import ImportPlan, ImportStep
from accounts.importing.report import counts, lines_of, log_import
from accounts.importing.saving import NotAsShown
from accounts.importing.uploads import ExportForm, Upload, UploadForm
from accounts.models import User
from csv_files import CannotImport
from csv_files.words import counted

# The check page lists at most this number of new accounts, and at most this number of changed accounts.
# Decisive accounts are always listed, even if there are more: the import changes their rights or who gets their mails.
MAX_ROWS_SHOWN = 200

_LIST = "admin:accounts_user_changelist"


class CSVPages(admin.ModelAdmin):
    """Adds two pages to the list of accounts: `import/` and `export/`.

    The import needs the rights to create and change accounts. The export needs the right to see all accounts.
    """

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("import/", guarded(self.import_page), name="accounts_user_import"),
            path("export/", guarded(self.export_page), name="accounts_user_export"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        buttons = {"may_import": self._may_import(request), "may_export": may_export(_visitor(request))}
        return super().changelist_view(request, {**(extra_context or {}), **buttons})

    def import_page(self, request: HttpRequest) -> HttpResponse:
        """Page of an import in three steps: choose a file, check its effect, confirm the import."""
        if not self._may_import(request):
            return self._refuse(request, "Import accounts", "Your role may not create and change accounts.")
        if request.method != "POST":
            return self._choose(request, UploadForm())
        if "checked" in request.POST:
            return self._import_confirmed(request, request.POST["checked"])
        form = UploadForm(request.POST, request.FILES)
        return self._check(request, form) if form.is_valid() else self._choose(request, form)

    def _may_import(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def _choose(self, request: HttpRequest, form: UploadForm, problems: str = "") -> HttpResponse:
        return self._page(
            request, "import", "Import accounts", form=form, columns=ACCOUNT_COLUMNS, problems=problems.splitlines()
        )

    def _check(self, request: HttpRequest, form: UploadForm) -> HttpResponse:
        return self._show_check(request, form.upload())

    def _show_check(self, request: HttpRequest, upload: Upload) -> HttpResponse:
        """Shows the changes that the import would make now.

        After a confirmation, these changes may differ from those that the user has confirmed. The page then lists the
        differences.
        """
        visitor = _visitor(request)
        try:
            planned = upload.imported(visitor, is_dry_run=True)
            confirmation = _confirmation(request, planned)
            signed = upload.signed(visitor, beside=len(confirmation.token))
        except CannotImport as error:
            return self._choose(request, UploadForm(initial={"invites": upload.invites}), str(error))
        new, changed = _first_rows(planned.new), _first_rows(planned.changed)
        context: dict[str, Any] = {
            "counts": counts(planned),
            "new": new,
            "changed": changed,
            "not_shown": len(planned.new) + len(planned.changed) - len(new) - len(changed),
            "signed": signed if planned.steps else "",
            "confirmation": confirmation,
        }
        return self._page(request, "import_check", "Import accounts: check", **context)

    def _import_confirmed(self, request: HttpRequest, signed: str) -> HttpResponse:
        visitor = _visitor(request)
        try:
            upload = Upload.unsigned(signed, visitor)
            planned = upload.imported(
                visitor, is_dry_run=False, is_confirmed=lambda plan: _confirmation(request, plan).is_given
            )
        except BadSignature:
            sentence = "This list was checked too long ago, or not for you: choose the file again."
            return self._choose(request, UploadForm(), sentence)
        except (NotAsShown, CannotImport):
            # The file is checked again, because the new check page explains the cause better than the refusals do.
            # For example, another request may have imported the same list in the meantime.
            # The database then refuses each new row, although the list has no fault.
            return self._show_check(request, upload)
        self._record(request, "Import of accounts", counts(planned))
        log_import(planned, request)
        messages.success(request, counts(planned))
        return HttpResponseRedirect(reverse(_LIST))

    def export_page(self, request: HttpRequest) -> HttpResponse:
        """Page of an export: choose the accounts, then download the file."""
        if not may_export(_visitor(request)):
            sentence = "Your role may not export accounts: the file holds personal data in full."
            return self._refuse(request, "Export accounts", sentence)
        form = ExportForm(request.POST or None)
        if not form.is_valid():
            return self._page(request, "export", "Export accounts", form=form)
        role, active = form.cleaned_data["role"], form.cleaned_data["active"]
        rows = exported(User.objects.visible_to(_visitor(request), action="list"))
        rows = rows.filter(role=role) if role else rows
        text, count = accounts_csv(rows.active() if active else rows)
        self._record(request, "Export of accounts", f"{counted(count, 'account')} exported.")
        security_event("sensitive_read", request, what="accounts exported", count=count)
        return HttpResponse(
            (BYTE_ORDER_MARK + text).encode(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="accounts-{timezone.now():%Y-%m-%d}.csv"'},
        )

    def _record(self, request: HttpRequest, action: str, message: str) -> None:
        LogEntry.objects.create(
            user_id=_visitor(request).pk,
            content_type_id=ContentType.objects.get_for_model(User).pk,
            object_repr=action,
            action_flag=CHANGE,
            change_message=message,
        )

    def _refuse(self, request: HttpRequest, title: str, sentence: str) -> HttpResponse:
        security_event("authz_fail", request, what=title)
        return self._page(request, "closed", title, status=403, sentence=sentence)

    def _page(
        self, request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, f"admin/accounts/user/{template}.html", shown, status=status)


def _confirmation(request: HttpRequest, planned: ImportPlan) -> Confirmation:
    return Confirmation(request, "import accounts", lines_of(planned))


def _visitor(request: HttpRequest) -> User:
    """Returns the logged-in user of the HTTP request. `admin_view` has refused anonymous visitors before."""
    return cast(User, request.user)


def _first_rows(steps: list[ImportStep]) -> list[ImportStep]:
    """Returns the rows that the check page lists.

    If there are more than MAX_ROWS_SHOWN, returns all decisive rows first, and then others up to MAX_ROWS_SHOWN.
    """
    if len(steps) <= MAX_ROWS_SHOWN:
        return steps
    decisive = [step for step in steps if step.is_decisive]
    others = [step for step in steps if not step.is_decisive]
    return [*decisive, *others[: max(0, MAX_ROWS_SHOWN - len(decisive))]]
