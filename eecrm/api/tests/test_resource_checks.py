"""System checks of the resources: one message for what is missing, with file and line."""

import inspect
import re
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from access import policy, sql_functions
from access.policy import Role, Scope
from api.resources.checks import every_resource_is_complete
from clients.filters import ClientFilterSet
from clients.models import Client
from clients.serializers import ClientSerializer
from clients.views import ClientViewSet
from events.views import EventViewSet


def found() -> list[CheckMessage]:
    return every_resource_is_complete(None)


def only_fault(id: str, about: type[Any]) -> str:
    """The sentence of the one message, after the place of the class."""
    (message,) = found()
    assert message.id == id and message.hint
    place, sentence = re.fullmatch(r"(eecrm/\S+:\d+): (.+)", message.msg).groups()  # type: ignore[union-attr]  # the form is the test
    assert place == f"eecrm/{about.__module__.replace('.', '/')}.py:{inspect.getsourcelines(about)[1]}"
    return str(sentence)


def test_every_resource_is_complete() -> None:
    assert found() == []
    assert [message for message in run_checks() if message.is_serious()] == []


def test_a_field_without_documentation_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    docs = {field: value for field, value in ClientSerializer.Meta.field_docs.items() if field != "company_name"}
    monkeypatch.setattr(ClientSerializer.Meta, "field_docs", docs)
    fault = only_fault("api.E003", ClientSerializer)
    assert fault == "the field company_name has no description and example in Meta.field_docs."


def test_a_filter_without_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    docs = {name: value for name, value in ClientFilterSet.field_docs.items() if name != "email"}
    monkeypatch.setattr(ClientFilterSet, "field_docs", docs)
    assert "the filter email has no" in only_fault("api.E003", ClientFilterSet)


def test_a_serializer_without_an_example_of_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientSerializer.Meta, "patch", {})
    assert "Meta.patch" in only_fault("api.E003", ClientSerializer)


def test_a_viewset_without_a_docstring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventViewSet, "__doc__", "")
    assert "docstring" in only_fault("api.E003", EventViewSet)


def test_a_resource_that_calls_itself_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventViewSet, "resource", "party")
    assert only_fault("api.E001", EventViewSet) == "its resource is party, and the list calls it event."


def test_a_model_without_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.resources.checks._RECORD", ("version", "changed_at"))
    assert {message.id for message in found()} == {"api.E002"}
    assert "Client has no field changed_at." in found()[0].msg


@pytest.mark.parametrize(
    ("function", "what"),
    [("record", "writes its audit trail"), ("retire_key", "keeps the key"), ("client_rules", "counts versions")],
)
def test_a_table_without_its_triggers(function: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sql_functions.sources()
    without = {**sources, function: sources[function].replace("clients_client", "elsewhere").replace("'client'", "'x'")}
    monkeypatch.setattr(sql_functions, "sources", lambda: without)
    fault = only_fault("api.E004", Client)
    assert "the table clients_client has no trigger" in fault and what in fault


@pytest.mark.parametrize("function", ["was_mine", "changes_of_mine"])
def test_a_resource_that_partners_see_and_sql_does_not_know(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sql_functions.sources()
    without = {**sources, function: sources[function].replace("'clients_client'", "''")}
    monkeypatch.setattr(sql_functions, "sources", lambda: without)
    assert function in only_fault("api.E005", ClientViewSet)


def test_own_rows_of_colleagues_have_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(policy._scopes, ("client", "list", Role.SALES), Scope.OWN)
    assert "the role sales lists its own rows alone" in only_fault("api.E005", ClientViewSet)
    monkeypatch.setattr(ClientViewSet, "has_offline_copies", False)
    assert found() == []
