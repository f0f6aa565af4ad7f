"""Admin page of the new email address that was requested for an account and isn't confirmed yet.

The page shows who requested the new address. A second manager can confirm or drop the new address there.
"""

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from access import policy
from access.admin import PolicyModelAdmin
from access.masks import EMAIL
from access.security_log import security_event
from accounts.models import AddressChange, Mail, User
from accounts.models.address import LIFETIME
from api.resources.search import with_addresses_normalised

# Why a manager may not confirm a new email address: maps the name of a rule to a sentence for the manager.
# The PostgreSQL function `address_objection` returns the name of the rule that forbids it.
_OBJECTIONS = {
    "address_second_manager": "You asked for it, or the account is yours: another manager may confirm it.",
    "address_rests": "It may be confirmed here a day after it was asked for: until then its owner can object.",
    "address_new_manager": (
        "You have been a manager with this address for less than seven days: another one may confirm it."
    ),
    "address_made_by_asker": (
        "You made the account of the manager who asked, or they made yours, or one manager made both:"
        " another manager, or a superuser, may confirm it."
    ),
}

_WAITS = "The new address waits until its owner confirms it by the link that went there, or a second manager does."
_DROPPED = "The new address that waited to be confirmed is dropped, because the account is deactivated: enter it again."
_LETTER_CASE = "Upper and lower case make no other address: the spelling stays."


class AddressStateFilter(admin.SimpleListFilter):
    title = "address"
    parameter_name = "address"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Another one waits"), ("unconfirmed", "Not confirmed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "waiting":
                return queryset.filter(pk__in=AddressChange.objects.open().values("user"))
            case "unconfirmed":
                return queryset.filter(email_confirmed_at=None)
        return queryset


class AddressPages(PolicyModelAdmin):
    """Adds the page `<account>/address/` to the admin pages of an account.

    The page shows the present email address and the requested one, with buttons to confirm or drop the requested
    one.
    """

    def get_urls(self) -> list[URLPattern]:
        page = path("<id:key>/address/", self.admin_site.admin_view(self.address_page), name="accounts_user_address")
        return [page, *super().get_urls()]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return super().get_search_results(request, queryset, with_addresses_normalised(search_term))

    @admin.display(description="Address")
    def address_state(self, account: User) -> str:
        confirmed = account.email_confirmed_at
        state = f"Confirmed on {confirmed:%-d %B %Y}." if confirmed else "Not confirmed."
        if bounced := Mail.objects.last_bounce(account):
            state += f" A mail to it came back on {bounced:%-d %B %Y}."
        if not AddressChange.objects.open().filter(user=account).exists():
            return state
        url = reverse("admin:accounts_user_address", args=[account.pk])
        return format_html('{} <a href="{}">Another one waits to be confirmed</a>', state, url)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Saves the account, and warns the user if a trigger kept the old email address or dropped the new one.

        If the account is in use, a trigger keeps the old address until the new address is confirmed. If the new address
        differs only in upper and lower case, a trigger always keeps the old spelling. Deactivation drops the address that
        waits.
        """
        open_changes = AddressChange.objects.open().filter(user_id=obj.pk)
        is_retyped = change and "email" in form.changed_data
        is_deactivated = change and "is_active" in form.changed_data and not obj.is_active
        had_one = is_deactivated and open_changes.exists()
        super().save_model(request, obj, form, change)
        if not (had_one or is_retyped):
            return
        obj.refresh_from_db(fields=["email", "email_confirmed_at"])
        typed = form.cleaned_data["email"] if is_retyped else obj.email
        if typed != obj.email and typed.lower() == obj.email.lower():
            messages.warning(request, _LETTER_CASE)
        elif open_changes.exists():
            messages.warning(request, _WAITS)
        elif had_one or typed != obj.email:
            messages.warning(request, _DROPPED)

    def address_page(self, request: HttpRequest, key: int) -> HttpResponse:
        account = User.objects.visible_to(cast(User, request.user)).filter(pk=key).first()
        if account is None:
            raise Http404
        if not self.has_view_permission(request, account):
            raise PermissionDenied
        if request.method == "POST":
            return self._decide(request, account)
        change = AddressChange.objects.open().filter(user=account).first()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Address of {account}",
            "account": account,
            "change": change,
            "asked_by": self._asked_by(change),
            "ends_at": change.created_at + LIFETIME if change else None,
            "now": self._visible(request, account.email),
            "new": self._visible(request, change.address if change else ""),
            "may_decide": self.has_change_permission(request, account),
        }
        if change and context["may_decide"]:
            objection = change.objection()
            context |= {"may_confirm": not objection, "objection": _OBJECTIONS.get(objection, "")}
        return TemplateResponse(request, "admin/accounts/user/address.html", context)

    @staticmethod
    def _visible(request: HttpRequest, address: str) -> str:
        return address if policy.sees_personal_data(cast(User, request.user)) else str(EMAIL.of(address))

    @staticmethod
    def _asked_by(change: AddressChange | None) -> str:
        if change is None or change.asked_by_id is None:
            return "a command on the server"
        return str(User.objects.only("username").get(pk=change.asked_by_id))

    def _decide(self, request: HttpRequest, account: User) -> HttpResponse:
        """Confirms or drops the new email address that the page showed.

        Shows an error if that address no longer waits for a confirmation.
        """
        if not self.has_change_permission(request, account):
            raise PermissionDenied
        User.objects.select_for_update(of=("self",), no_key=True).only("pk").get(pk=account.pk)
        change = AddressChange.objects.open().filter(user=account).marked(request.POST.get("change", ""))
        page = HttpResponseRedirect(reverse("admin:accounts_user_address", args=[account.pk]))
        if change is None:
            messages.error(request, "This address doesn't wait any more: look at what there is now.")
            return page
        if "drop" in request.POST:
            change.delete()
            message = "Dropped the address that waited to be confirmed."
        else:
            change.confirm()
            message = "Confirmed another address, as a second manager."
        self.log_change(request, account, message)
        security_event("user_updated", request, account=account.pk, fields=["email"], by="second manager")
        messages.success(request, message)
        return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[account.pk]))
