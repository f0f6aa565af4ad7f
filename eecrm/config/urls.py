"""All URL routes of the product. A system check refuses a route that the policy table doesn't cover."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from accounts.addresses import pages as address_pages
from accounts.addresses.change import OwnAddressViewSet
from accounts.admin_login import honeypot
from accounts.login.jwks import public_keys
from accounts.login.views import (
    LoginViewSet,
    LogoutAllViewSet,
    LogoutViewSet,
    PasswordViewSet,
    RefreshViewSet,
    TokenSessionViewSet,
)
from accounts.passwords import pages as password_pages
from accounts.views import EffectiveMatrixViewSet, ProfileViewSet, SalesContactViewSet, SupportContactViewSet
from api.health import live, ready
from api.openapi.views import CatalogueViewSet, DocsView, ReferenceView, SchemaView
from api.resources.registry import copied
from api.resources.routes import routes_of_resources
from audit.sync.views import SyncViewSet

_api = [
    # The routes with the most requests come first, because Django tries routes in this order.
    *routes_of_resources(),
    path("", CatalogueViewSet.as_view({"get": "list"}), name="catalogue"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    path("docs/redoc/", ReferenceView.as_view(), name="docs-redoc"),
    path("users/login/", LoginViewSet.as_view({"post": "create"}), name="login"),
    path("users/refresh/", RefreshViewSet.as_view({"post": "create"}), name="refresh"),
    path("users/logout/", LogoutViewSet.as_view({"post": "destroy"}), name="logout"),
    path("users/logout-all/", LogoutAllViewSet.as_view({"post": "destroy"}), name="logout-all"),
    path("users/me/", ProfileViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="profile"),
    path("users/me/password/", PasswordViewSet.as_view({"post": "update"}), name="password"),
    path("users/me/email/", OwnAddressViewSet.as_view({"post": "update"}), name="own-address"),
    path(
        "users/me/sessions/",
        TokenSessionViewSet.as_view({"get": "list", "delete": "destroy_others"}),
        name="session-list",
    ),
    path("users/me/sessions/<uuid:pk>/", TokenSessionViewSet.as_view({"delete": "destroy"}), name="session-detail"),
    path("users/me/permissions/", EffectiveMatrixViewSet.as_view({"get": "retrieve"}), name="effective-matrix"),
    path("users/sales-contacts/", SalesContactViewSet.as_view({"get": "list"}), name="sales-contacts"),
    path("users/support-contacts/", SupportContactViewSet.as_view({"get": "list"}), name="support-contacts"),
    path("sync/", SyncViewSet.as_view({"get": "retrieve"}, sources=tuple(copied().values())), name="sync"),
]

urlpatterns = [
    path("api/v1/", include(_api)),
    path(".well-known/jwks.json", public_keys, name="public-keys"),
    path("account/forgotten/", password_pages.forgotten, name="forgotten"),
    path("account/forgotten/sent/", password_pages.link_sent, name="forgotten-sent"),
    path("account/address/done/", address_pages.address_confirmed, name="address-confirmed"),
    path("account/address/<token>/", address_pages.confirm_address, name="confirm-address"),
    path("account/password/done/", password_pages.chosen, name="password-chosen"),
    path("account/password/<name>/<token>/", password_pages.choose, name="choose-password"),
    path("account/<path:rest>", password_pages.other_path, name="other-account-path"),
    path("health/live/", live, name="live"),
    path("health/ready/", ready, name="ready"),
    path(settings.ADMIN_URL, admin.site.urls),
    path("admin", honeypot.without_slash),
    path("admin/", honeypot.site.urls),
]

handler400 = "api.requests.problems.bad_request"
handler403 = "api.requests.problems.permission_denied"
handler404 = "api.requests.problems.not_found"
handler500 = "api.requests.problems.server_error"
