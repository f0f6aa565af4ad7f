"""What nobody thought of is closed: unlisted cells, unknown roles, forgotten views."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ViewSet

from access import policy
from access.checks import every_view_is_known_to_the_policy, nothing_finer_is_wider_than_update
from access.permissions import Public
from access.policy import Role, Scope
from access.querysets import PolicyQuerySet
from accounts.models import User
from clients.models import Client
from conftest import World
from contracts.models import Contract
from events.models import Event


class _Stranger:
    """Somebody with a role that the table doesn't know."""

    pk = 1
    effective_role = "janitor"
    is_authenticated = True


@pytest.mark.parametrize("user", [_Stranger(), AnonymousUser()], ids=["unknown role", "anonymous"])
def test_an_unknown_role_may_nothing(user: Any) -> None:
    for resource, action, *_ in policy.TABLE:
        assert policy.rule(user, resource, action).scope is Scope.NONE


def test_an_unlisted_cell_is_none(world: World) -> None:
    superuser = world.users["superuser"]
    assert policy.rule(superuser, "client", "explode").scope is Scope.NONE
    assert policy.rule(superuser, "spaceship", "list").scope is Scope.NONE


@pytest.mark.parametrize("model", [Client, Contract, Event])
def test_an_unknown_role_owns_nothing(model: Any, world: World) -> None:
    assert not model.objects.owned_by(_Stranger()).exists()
    assert not model.objects.visible_to(_Stranger()).exists()
    assert not model.objects.owned_by(world.users["management"]).exists()


def test_a_queryset_without_a_notion_of_own_owns_nothing(world: World) -> None:
    assert not PolicyQuerySet(User).owned_by(world.users["sales"]).exists()


def test_a_finer_action_on_more_rows_than_update_stops_the_start(monkeypatch: Any) -> None:
    assert nothing_finer_is_wider_than_update(None) == []
    monkeypatch.setitem(policy._scopes, ("contract", "sign", Role.SUPPORT), Scope.OWN)
    (error,) = nothing_finer_is_wider_than_update(None)
    assert (error.id, error.msg) == ("access.E003", "support may sign more contract rows than update.")


class Forgotten(GenericViewSet):
    def list(self, request: Any) -> Response:
        return Response("secret")


class Misspelt(Forgotten):
    resource = "cleint"


class Opened(GenericViewSet):
    permission_classes: list[Any] = []

    def list(self, request: Any) -> Response:
        return Response("secret")


class NoViewSet(APIView):
    def get(self, request: Any) -> Response:
        return Response("secret")


class Published(ViewSet):
    permission_classes = [Public]

    def list(self, request: Any) -> Response:
        return Response("news")


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("secret")


LISTING = {"get": "list"}


@pytest.mark.parametrize(
    ("view", "fault"),
    [
        (Forgotten.as_view(LISTING), "does list on no resource"),
        (Misspelt.as_view(LISTING), "does list on cleint"),
        (Opened.as_view(LISTING), "lack PolicyPermission"),
        (NoViewSet.as_view(), "is no viewset"),
        (plain, "plain view"),
        (Published.as_view(LISTING), None),
    ],
)
def test_the_start_is_refused_by_a_route_that_the_policy_does_not_know(view: Any, fault: str | None) -> None:
    with override_settings(ROOT_URLCONF=type("Urls", (), {"urlpatterns": [path("forgotten/", view)]})):
        messages = every_view_is_known_to_the_policy(None)
    assert [fault in str(message) for message in messages] == ([True] if fault else [])


def test_the_project_passes_its_own_check() -> None:
    assert every_view_is_known_to_the_policy(None) == []


@pytest.mark.parametrize("view", [Forgotten, Misspelt])
def test_a_view_without_a_resource_is_closed_even_to_a_superuser(view: Any, world: World) -> None:
    request = APIRequestFactory().get("/forgotten/")
    request.user = world.users["superuser"]
    response = view.as_view(LISTING, authentication_classes=[])(request)
    assert response.status_code in (401, 403)
    request = APIRequestFactory().get("/forgotten/")

    class AsSuperuser:
        def authenticate(self, request: Any) -> Any:
            return world.users["superuser"], None

    response = view.as_view(LISTING, authentication_classes=[AsSuperuser])(request)
    assert response.status_code == 403


def test_roles_are_the_columns_of_the_table() -> None:
    assert set(policy.MATRIX_ROLES) == set(Role)
    assert {role for role, _ in User._meta.get_field("role").choices} == set(Role) - {Role.SUPERUSER}
