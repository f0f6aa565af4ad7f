"""Pages of the admin site that overwrite nobody's work, and make nothing twice.

Each form carries the version of its page (`audit.page_versions`). Before anything is compared the rows are locked, as the
API locks them: what is compared holds until the transaction ends. A form that makes a row carries a one-time id as well,
which is claimed like an `Idempotency-Key`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError, transaction
from django.db.models import ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from access.admin import PolicyModelAdmin
from access.confirmation import is_confirming
from access.refusals import refusal_of
from api import idempotency
from audit.differences import Told, tell
from audit.form_merge import Merge, MergedForm, labels, merge, shown, typed
from audit.inline_merge import is_written, merge_rows
from audit.models import Entry, EntryQuerySet
from audit.page_versions import FIELD, PageVersion, Since, sent, signed

MAX_CHANGES_SHOWN = 20  # on a page that says what happened meanwhile
MOST_CHOSEN = 500  # rows for one action: the page that confirms it has a field for each, of the thousand that a form may have

_UNKNOWN_PAGE = "This page doesn't say any more what it showed. Check each field, then save again."
_OTHER_ROW = "Another one was added meanwhile, see above: take that away before you add yours."
_LIST_CHANGED = "Nothing was done: what you chose changed after the list was shown. Look at it again, then choose again."


@dataclass
class _Page:
    """The page that a request is about."""

    version: PageVersion
    once: str = ""  # the one-time id of a form that makes something
    merge: Merge = field(default_factory=Merge)
    changes: list[Told] = field(default_factory=list)  # by others, meanwhile


def _page(request: HttpRequest) -> _Page:
    """Taken before the rows are read; after they are locked, where they are."""
    if not hasattr(request, "versioned_page"):
        request.versioned_page = _Page(PageVersion.now())  # type: ignore[attr-defined]  # ours
    page: _Page = request.versioned_page  # type: ignore[attr-defined]  # as above
    return page


class VersionedAdmin(PolicyModelAdmin):
    change_form_template = "admin/audit/versioned_form.html"
    change_list_template = "admin/audit/versioned_list.html"
    delete_confirmation_template = "admin/audit/delete_confirmation.html"

    def _lock(self, request: HttpRequest, keys: Iterable[Any]) -> None:
        """PostgreSQL locks for nobody what they may not change: that is refused later on."""
        if self._allows(request, "update", None):
            rows = self.model._default_manager.filter(pk__in=keys).order_by("pk")  # always in the same order
            list(rows.select_for_update().values_list("pk", flat=True))

    def _locked(self, request: HttpRequest, object_id: str) -> Any:
        try:
            self._lock(request, [self.opts.pk.to_python(unquote(object_id))])
        except ValidationError:
            return None
        return self.get_object(request, unquote(object_id))

    def _told(self, request: HttpRequest, entries: EntryQuerySet) -> list[Told]:
        return tell(self.admin_site, request, list(entries[:MAX_CHANGES_SHOWN]))

    # Forms

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        answer = None
        if request.method == "POST":
            request.POST = request.POST.copy()  # type: ignore[assignment]  # mutable from here on
            request.POST.pop("_saveasnew", None)  # type: ignore[misc]  # a copy; Django obeys it where the button is off, too
            answer = self._made_already(request) if object_id is None else self._merged(request, object_id)
        return answer or self._saved_or_shown_again(request, object_id, form_url, extra_context)

    def _saved_or_shown_again(self, request: HttpRequest, *page: Any) -> Any:
        """A rule of the database is a sentence on the page that was sent, which still holds what was typed."""
        shown_page = _page(request)
        try:
            with transaction.atomic():
                return super().changeform_view(request, *page)
        except (DatabaseError, ProtectedError) as error:
            refusal = refusal_of(error)
            if refusal is None or refusal.status >= 500 or request.method != "POST" or shown_page.merge.refusal:
                raise
            shown_page.merge.refusal = refusal.sentence
        return super().changeform_view(request, *page)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (MergedForm, form), {"merge": _page(request).merge})

    def _bound_form(self, request: HttpRequest, row: Any) -> Any:
        fields = flatten_fieldsets(self.get_fieldsets(request, row))
        return self.get_form(request, row, change=True, fields=fields)(request.POST, request.FILES, instance=row)

    def _merged(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Change what was sent to what is meant by now. An answer only where there is nothing to change any more."""
        before, row = sent(request), self._locked(request, object_id)
        page = _page(request)
        if row is None:
            return self._deleted_meanwhile(request, object_id, before) if before else None
        if not self.has_change_permission(request, row):
            return None
        if before is None:
            page.merge = Merge(refusal=_UNKNOWN_PAGE)
            return None
        form = self._bound_form(request, row)
        since = Since.of(before["version"], row, form.fields)
        page.merge, entries = merge(form, before["shown"], since), since.entries
        for formset in self._create_formsets(request, row, change=True)[0]:  # type: ignore[attr-defined]  # not in the stubs
            below = before["version"].changes_below(formset.model, formset.fk.column, row.pk)
            if below.exists():
                page.merge.changed.add(formset.prefix)
                entries = entries | below
            if not merge_rows(page.merge.data, formset):
                page.merge.refusal = _OTHER_ROW
            elif is_written(page.merge.data, formset):
                page.merge.written.add(formset.prefix)
        if page.merge.clashes or page.merge.refusal:
            page.changes = self._told(request, entries)
        elif page.merge.by_others:
            names = ", ".join(labels(form, page.merge.by_others))
            messages.info(request, f"Changed while you had the page open, and left like that: {names}.")
        request.POST = page.merge.data  # type: ignore[assignment]  # as above
        return None

    def _deleted_meanwhile(self, request: HttpRequest, object_id: str, before: dict[str, Any]) -> HttpResponse | None:
        """Says who deleted it, and shows what was typed, so that nothing of it is lost."""
        entries = before["version"].changes_of(self.model, [unquote(object_id)]).filter(operation="delete")
        told = self._told(request, entries)
        if not told:
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"This {self.opts.verbose_name} was deleted while you had the page open",
            "told": told[-1],
            "typed": typed(self._bound_form(request, self.model()), before["shown"]),
        }
        return TemplateResponse(request, "admin/audit/deleted_meanwhile.html", context, status=409)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        page, form = _page(request), context["adminform"].form
        proof = {"shown": shown(form)} if form.instance.pk else {"once": page.once or uuid4().hex}
        context |= {
            FIELD: signed(request, page.version, **proof),
            "changes": page.changes,
            **_told_apart(form, page.merge.clashes),
        }
        clashing = {name if name in form.fields else NON_FIELD_ERRORS for name in page.merge.clashes}
        if clashing and not page.merge.refusal and set(form.errors) == clashing:
            context["errors"] = []  # nothing that was typed has to be corrected
        return super().render_change_form(request, context, *args, **kwargs)

    # Forms that make a row

    def _made_already(self, request: HttpRequest) -> HttpResponse | None:
        """The page of the row that this form made before; None where it made none, and its one-time id is claimed now."""
        page, before = _page(request), sent(request)
        if not self.has_add_permission(request):
            return None
        if before is None:
            page.merge = Merge(refusal=_UNKNOWN_PAGE)
            return None
        page.once = before["once"]
        digest = _digest(request)
        first = idempotency.claim_key(request.user.pk, f"admin {page.once}", digest)
        return self._led_to(request, first.row_id, is_same=first.request == digest) if first else None

    def _led_to(self, request: HttpRequest, key: int, *, is_same: bool) -> HttpResponse:
        noun, row = self.opts.verbose_name, self.get_queryset(request).filter(pk=key).first()
        place = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if row is None:
            messages.warning(request, f"This form made a {noun} before, which was deleted since. Nothing was made now.")
            return HttpResponseRedirect(reverse(f"{place}_changelist"))
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, row)
        later = "" if is_same else " What you changed in the form afterwards isn't saved: change it here."
        messages.warning(request, f"This form made the {noun} “{row}” before, and nothing was made twice.{later}")
        return HttpResponseRedirect(reverse(f"{place}_change", args=[quote(row.pk)]))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        idempotency.keep_answer(request.user.pk, f"admin {_page(request).once}", obj.pk, 201)
        return super().response_add(request, obj, post_url_continue)

    # Deletion, and actions on several rows

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Says who changed what since the page was shown, where `access.confirmation` finds that something differs."""
        page, before = _page(request), sent(request) if request.method == "POST" else None
        changes = before["version"].changes_of(self.model, [unquote(object_id)]) if before else Entry.objects.none()
        context = {"changes": self._told(request, changes), FIELD: signed(request, page.version)}
        return super().delete_view(request, object_id, {**context, **(extra_context or {})})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        _page(request)
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse):
            mark = {FIELD: signed(request, _page(request).version)}
            response.context_data = {**(response.context_data or {}), **mark}
        return response

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        """Nothing is done to rows that changed since the list showed them. A page that confirms compares what it showed
        itself (`access.confirmation`)."""
        keys: list[Any] = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if request.POST.get("select_across") == "1":
            keys = list(queryset.values_list("pk", flat=True)[: MOST_CHOSEN + 1])
        if len(keys) > MOST_CHOSEN:
            messages.warning(request, f"Nothing was done: you chose too many. Choose {MOST_CHOSEN} at most, and then the next.")
            return HttpResponseRedirect(request.get_full_path())
        if is_confirming(request):
            return super().response_action(request, queryset, *args)
        self._lock(request, keys)
        before = sent(request)
        told = self._told(request, before["version"].changes_of(self.model, keys)) if before else []
        if keys and (before is None or told):
            messages.warning(request, _LIST_CHANGED)
            for one in told:
                messages.warning(request, f"{one.person.text} {one.verb} {one.row.text} at {one.entry.at:%H:%M} UTC.")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args)


def _told_apart(form: Any, clashes: dict[str, list[str]]) -> dict[str, list[str]]:
    """For the page: what changed, what its sender changed too, and what they changed that is decided together with it."""
    changed = sorted({name for names in clashes.values() for name in names})
    beside = [name for name, names in clashes.items() if name not in names]
    return {
        "clashing": labels(form, changed),
        "by_both": labels(form, [name for name in changed if name in clashes]),
        "beside": labels(form, beside),
    }


def _digest(request: HttpRequest) -> str:
    """Of everything that was typed."""
    typed_in = {
        name: values
        for name, values in request.POST.lists()
        if name not in (FIELD, "csrfmiddlewaretoken") and not name.startswith("_")
    }
    return sha256(repr((request.path, sorted(typed_in.items()))).encode()).hexdigest()
