"""The admin site. After the password and before the pages, the site asks for the second factor or its set-up."""

from typing import Any, cast

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django_otp import DEVICE_ID_SESSION_KEY

from access.admin import EpicEventsAdminSite
from accounts.admin_login import session_limits
from accounts.admin_login.forms import PasswordForm
from accounts.admin_login.session_store import SessionStore
from api.requests import problems


def is_staff(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_staff


def is_verified(request: HttpRequest) -> bool:
    """Returns True if the user has proved the account's second factor in this session."""
    return DEVICE_ID_SESSION_KEY in request.session


def missing_step(request: HttpRequest) -> str:
    """Returns the name of the page that a staff user must pass first. Empty if no step is missing."""
    if request.user.second_factor is None:  # type: ignore[union-attr]  # only called for staff users
        return "second_factor_set_up" if settings.SECOND_FACTOR == "required" else ""
    return "" if is_verified(request) else "second_factor"


class GatedAdminSite(EpicEventsAdminSite):
    login_form = PasswordForm
    index_template = "accounts/admin_login/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return is_staff(request) and not missing_step(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not is_staff(request) or not (step := missing_step(request)):
                return guarded(request, *args, **kwargs)
            if view == self.logout:
                return self.logout(request)
            return redirect_to_login(request.get_full_path(), reverse(f"admin:{step}", current_app=self.name))

        return gated

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirects a logged-in user without a proved second factor to the page of the second factor.

        To log in as another user, such a user must log out first.
        """
        if request.method == "GET" and is_staff(request) and (step := missing_step(request)):
            next_url = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index", current_app=self.name)
            return redirect_to_login(next_url, reverse(f"admin:{step}", current_app=self.name))
        return super().login(request, extra_context)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Logs the user out in this browser, also while the database is read-only.

        In that case the session stays in the database, and the page says so.
        """
        session = cast(SessionStore, request.session)
        latest_end = session_limits.ends_at(session)
        response = super().logout(request, extra_context)
        if session.undeleted is None:
            return response
        return problems.outage_page(
            session.undeleted,
            f"You are logged out in this browser. Your session itself isn't ended: a copy of its cookies would let in"
            f" until {latest_end:%Y-%m-%d %H:%M} UTC at the latest. Log in when changes are taken again, and log out"
            " everywhere.",
        )

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        # The import is here, because the imported page needs the user model, which is loaded after this module.
        from accounts.passwords.admin_page import OwnPasswordView

        request.current_app = self.name
        return OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)

    def get_urls(self) -> list[Any]:
        from accounts.admin_login.own_address import OwnAddressView
        from accounts.admin_login.views import (
            EnterCodeView,
            ManageView,
            SetUpView,
        )  # imported here, because these modules import this one

        return [
            path("email/", OwnAddressView.as_view(site=self), name="own_address"),
            path("second-factor/", EnterCodeView.as_view(site=self), name="second_factor"),
            path("second-factor/set-up/", SetUpView.as_view(site=self), name="second_factor_set_up"),
            path("second-factor/manage/", ManageView.as_view(site=self), name="second_factor_manage"),
            *super().get_urls(),
        ]
