"""Admin pages that never overwrite another user's change and never add a row twice.

Each form sends the version of its page (`audit.admin.page_versions`). The server compares it with the current rows.
The server locks the rows before this comparison, so that nobody can change them until the transaction ends.
A form that adds a row also sends a one-time id. The server stores the id like an `Idempotency-Key` of the API.
"""

from copy import copy
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError
from django.db.models import Model, ProtectedError, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from access.admin import PolicyModelAdmin
from access.confirmation import is_confirming
from access.confirmed_admin import as_get
from access.refusals import refusal_to_show
from api.resources import idempotency
from audit.admin.differences import DescribedEntry, tell
from audit.admin.form_merge import Merge, MergedForm, initial_digests, labels, merge, typed
from audit.admin.inline_merge import is_written, merge_rows
from audit.admin.page_versions import PAGE_VERSION_FIELD, PageVersion, Since, sent_page, signed
from audit.models import Entry, EntryQuerySet

MAX_CHANGES_SHOWN = 20  # maximum number of changes by other users that a page lists
# Limit for one action: the confirmation page has a field for each row, and Django accepts 1,000 fields in a form.
MAX_ROWS_PER_ACTION = 500

_UNKNOWN_PAGE = "This form is out of date. Check each field, then save again."
_OTHER_ROW = "Another one was added meanwhile, see above: take that away before you add yours."
_ADDED_LATER = "This was added by somebody else after the page was shown: check that you mean it, then save again."
_LIST_CHANGED = (
    "Nothing was done: what you chose changed after the list was shown. Look at it again, then choose again."
)


@dataclass
class _Page:
    """State of an admin page during one HTTP request."""

    version: PageVersion
    # Content of the form's hidden field (`sent_page`). None if the field is missing or invalid.
    # `sent` is also None if a restored backup has lost the trail entries from before the page.
    sent: dict[str, Any] | None
    once: str = ""  # the one-time id of a form that adds a row
    merge: Merge = field(default_factory=Merge)
    changes: list[DescribedEntry] = field(default_factory=list)  # changes by other users since the page was shown
    typed: dict[str, str] | None = (
        None  # input of a form without a valid page version, shown beside the row as it is now
    )
    row: Any = None  # locked row that `_merge_form` has read; `get_object` returns it once


def _page(request: HttpRequest) -> _Page:
    """Returns the state of the request's page. The first call makes the version of the page.

    Lock rows before the first call, and read them after it.
    """
    if not hasattr(request, "versioned_page"):
        sent = sent_page(request) if request.method == "POST" else None
        version, is_known = PageVersion.now(sent["version"] if sent else None)
        # Later calls read the state from this attribute, which Django's request class doesn't have.
        request.versioned_page = _Page(version, sent if is_known else None)  # type: ignore[attr-defined]
    page: _Page = request.versioned_page  # type: ignore[attr-defined]  # an attribute that we add
    return page


class VersionedAdmin(PolicyModelAdmin):
    change_form_template = "admin/audit/versioned_form.html"
    change_list_template = "admin/audit/versioned_list.html"
    delete_confirmation_template = "admin/audit/delete_confirmation.html"

    def _locked(self, request: HttpRequest, object_id: str) -> Any:
        """Returns the row, or None if the user may not see it. If the user may change the row, locks it, too."""
        try:
            key = self.opts.pk.to_python(unquote(object_id))
        except ValidationError:
            return None
        if self._allows(request, "update", None):
            # Related rows aren't prefetched, because saving doesn't need them.
            # If the form is shown again, Django reads the related rows then.
            rows = self.get_queryset(request).prefetch_related(None).order_by()
            # A stronger lock would wait for transactions that write a foreign key to this row.
            # Each log entry of the admin site has a foreign key to its author's account.
            # With a stronger lock, two managers who save each other's accounts would deadlock.
            if row := rows.select_for_update(no_key=True).filter(pk=key).first():
                return row
        return self.get_object(request, unquote(object_id))

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Returns the row that `_merge_form` has locked and read, but only once. Later calls read the row again."""
        page = getattr(request, "versioned_page", None)
        if page is None or page.row is None or from_field:
            return super().get_object(request, object_id, from_field)
        row, page.row = page.row, None
        return row

    def _describe(self, request: HttpRequest, entries: EntryQuerySet) -> list[DescribedEntry]:
        return tell(self.admin_site, request, list(entries[:MAX_CHANGES_SHOWN]))

    # The next methods are for forms that change a row.

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        answer = None
        if request.method == "POST":
            request.POST = request.POST.copy()  # type: ignore[assignment]  # a copy, because request.POST is immutable
            # Without this line, a request with `_saveasnew` would add a row, though no page has such a button.
            request.POST.pop("_saveasnew", None)  # type: ignore[misc]  # the copy is mutable
            answer = self._claim_form(request) if object_id is None else self._merge_form(request, object_id)
            if _page(request).typed is not None:
                request = as_get(request)
        return answer or self._save_or_show_again(request, object_id, form_url, extra_context)

    def _save_or_show_again(self, request: HttpRequest, *page: Any) -> Any:
        """Saves the form. If PostgreSQL refuses, shows the form again with PostgreSQL's sentence and the user's input.

        Before the form is shown again, Django has rolled the write back to a savepoint.
        """
        shown_page = _page(request)
        try:
            return super().changeform_view(request, *page)
        except (DatabaseError, ProtectedError) as error:
            if request.method != "POST" or shown_page.merge.refusal:
                raise
            shown_page.merge.refusal = refusal_to_show(error).sentence
        return super().changeform_view(request, *page)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        members = {"merge": _page(request).merge, "objection": staticmethod(partial(self._objection, request))}
        return type(form.__name__, (MergedForm, form), members)

    def _objection(self, request: HttpRequest, name: str, chosen: Any) -> str:
        """Returns why the row `chosen` can't be saved at once as the value of the field `name`; "" if it can.

        A row that was added after the page was shown can only be chosen with autocomplete. If the database was restored
        to an earlier state since then, the chosen key may have become another row's.
        """
        before = _page(request).sent
        if before is None or name not in self.autocomplete_fields or not isinstance(chosen, Model):
            return ""
        later = before["version"].changes_of(type(chosen), [chosen.pk]).filter(operation="insert")
        return _ADDED_LATER if later.exclude(actor_id=request.user.pk).exists() else ""

    def _bound_form(self, request: HttpRequest, row: Any) -> Any:
        fields = flatten_fieldsets(self.get_fieldsets(request, row))
        return self.get_form(request, row, change=True, fields=fields)(request.POST, request.FILES, instance=row)

    def _merge_form(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Replaces the sent values by merged values. Returns a response only if another user has deleted the row."""
        row, page = self._locked(request, object_id), _page(request)
        before = page.sent
        if row is None:
            return self._deleted_meanwhile(request, object_id, before) if before else None
        if not self.has_change_permission(request, row):
            return None
        fields = flatten_fieldsets(self.get_fieldsets(request, row))
        prefetch_related_objects([row], *(one.name for one in self.opts.many_to_many if one.name in fields))
        form = self._bound_form(request, row)
        if before is None:
            # The form may show old values of the row. If the database was restored, they may even be of another row.
            page.typed = typed(form, initial_digests(form))
            return None
        page.row = copy(row)  # a copy, because inline formsets may change the object that they get
        since = Since.of(before["version"], row, form.fields)
        page.merge, entries = merge(form, before["shown"], since), since.entries
        # The type stubs of Django don't have this method.
        for formset in self._create_formsets(request, row, change=True)[0]:  # type: ignore[attr-defined]
            below = before["version"].changes_below(formset.model, formset.fk.column, row.pk)
            if below.exists():
                page.merge.changed.add(formset.prefix)
                entries = entries | below
            if not merge_rows(page.merge.data, formset):
                page.merge.refusal = _OTHER_ROW
            elif is_written(page.merge.data, formset):
                page.merge.written.add(formset.prefix)
        if page.merge.clashes or page.merge.refusal:
            page.changes = self._describe(request, entries)
        elif page.merge.by_others:
            names = ", ".join(labels(form, page.merge.by_others))
            messages.info(request, f"Changed while you had the page open, and left like that: {names}.")
        request.POST = page.merge.data  # type: ignore[assignment]  # a mutable QueryDict
        return None

    def _deleted_meanwhile(self, request: HttpRequest, object_id: str, before: dict[str, Any]) -> HttpResponse | None:
        """Returns a page that says who deleted the row, and shows the sent values, so that no input is lost.

        Returns None if the trail has no deletion of the row since the page was shown.
        """
        entries = before["version"].changes_of(self.model, [unquote(object_id)]).filter(operation="delete")
        deletions = self._describe(request, entries)
        if not deletions:
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"This {self.opts.verbose_name} was deleted while you had the page open",
            "described": deletions[-1],
            "typed": typed(self._bound_form(request, self.model()), before["shown"]),
        }
        return TemplateResponse(request, "admin/audit/deleted_meanwhile.html", context, status=409)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        page, form = _page(request), context["adminform"].form
        proof = {"shown": initial_digests(form)} if form.instance.pk else {"once": page.once or uuid4().hex}
        context |= {
            PAGE_VERSION_FIELD: signed(request, page.version, **proof),
            "changes": page.changes,
            "typed": page.typed,
            "is_unknown": page.typed is not None,
            **_clash_labels(form, page.merge.clashes),
        }
        clashing = {name if name in form.fields else NON_FIELD_ERRORS for name in page.merge.clashes}
        if clashing and not page.merge.refusal and set(form.errors) == clashing:
            context["errors"] = []  # hides Django's sentence "correct the errors below", because the input is valid
        return super().render_change_form(request, context, *args, **kwargs)

    # The next methods are for forms that add a row.

    def _claim_form(self, request: HttpRequest) -> HttpResponse | None:
        """Redirects to the row that this form has already added. If there is no row, stores the form's one-time id."""
        page = _page(request)
        before = page.sent
        if not self.has_add_permission(request):
            return None
        if before is None:
            page.merge = Merge(refusal=_UNKNOWN_PAGE)
            return None
        page.once = before["once"]
        digest = _page_digest(request)
        first = idempotency.claim_key(request.user.pk, f"admin {page.once}", digest)
        return self._redirect_to(request, first.row_id, is_same=first.request == digest) if first else None

    def _redirect_to(self, request: HttpRequest, key: int, *, is_same: bool) -> HttpResponse:
        noun, row = self.opts.verbose_name, self.get_queryset(request).filter(pk=key).first()
        url_name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if row is None:
            messages.warning(request, f"This form made a {noun} before, which was deleted since. Nothing was made now.")
            return HttpResponseRedirect(reverse(f"{url_name}_changelist"))
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, row)
        later = "" if is_same else " What you changed in the form afterwards isn't saved: change it here."
        messages.warning(request, f"This form made the {noun} “{row}” before, and nothing was made twice.{later}")
        return HttpResponseRedirect(reverse(f"{url_name}_change", args=[quote(row.pk)]))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        idempotency.keep_answer(request.user.pk, f"admin {_page(request).once}", obj.pk, 201)
        return super().response_add(request, obj, post_url_continue)

    # The next methods are for deletions, and for actions on several rows.

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Adds later changes of the row to the page, to show them if `access.confirmation` finds a difference."""
        page = _page(request)
        before = page.sent
        changes = before["version"].changes_of(self.model, [unquote(object_id)]) if before else Entry.objects.none()
        context = {"changes": self._describe(request, changes), PAGE_VERSION_FIELD: signed(request, page.version)}
        return super().delete_view(request, object_id, {**context, **(extra_context or {})})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        _page(request)
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse):
            mark = {PAGE_VERSION_FIELD: signed(request, _page(request).version)}
            response.context_data = {**(response.context_data or {}), **mark}
        return response

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        """Refuses an action if a chosen row has changed since the list was shown, or if the user chose too many rows.

        Locks no row, because each action shows a confirmation page first. When the user confirms, `access.confirmation`
        compares the rows instead.
        """
        keys: list[Any] = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if request.POST.get("select_across") == "1":
            keys = list(queryset.values_list("pk", flat=True)[: MAX_ROWS_PER_ACTION + 1])
        if len(keys) > MAX_ROWS_PER_ACTION:
            messages.warning(
                request,
                f"Nothing was done: you chose too many. Choose {MAX_ROWS_PER_ACTION} at most, and then the next.",
            )
            return HttpResponseRedirect(request.get_full_path())
        if is_confirming(request):
            return super().response_action(request, queryset, *args)
        before = _page(request).sent
        changes = self._describe(request, before["version"].changes_of(self.model, keys)) if before else []
        if keys and (before is None or changes):
            messages.warning(request, _LIST_CHANGED)
            for change in changes:
                sentence = f"{change.person.text} {change.verb} {change.row.text} at {change.entry.at:%H:%M} UTC."
                messages.warning(request, sentence)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args)


def _clash_labels(form: Any, clashes: dict[str, list[str]]) -> dict[str, list[str]]:
    """Returns the labels of clashing fields for the page, in three lists.

    `clashing`: fields that other users changed after the page was shown.
    `by_both`: the fields of `clashing` that this user changed, too.
    `beside`: fields that only this user changed, but that make sense only together with a field of `clashing`.
    """
    changed = sorted({name for names in clashes.values() for name in names})
    beside = [name for name, names in clashes.items() if name not in names]
    return {
        "clashing": labels(form, changed),
        "by_both": labels(form, [name for name in changed if name in clashes]),
        "beside": labels(form, beside),
    }


def _page_digest(request: HttpRequest) -> str:
    """Returns a digest of the URL path and of all fields that the user sent, to recognise a form that is sent twice."""
    fields = {
        name: values
        for name, values in request.POST.lists()
        if name not in (PAGE_VERSION_FIELD, "csrfmiddlewaretoken") and not name.startswith("_")
    }
    return sha256(repr((request.path, sorted(fields.items()))).encode()).hexdigest()
