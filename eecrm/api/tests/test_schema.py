import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

from access.tests.test_routes import GUARDED, PUBLIC
from api.openapi.document import rendered_document
from api.resources.registry import collections
from api.tests.published import published
from config.environment import ROOT
from conftest import API, Caller, World
from contracts.serializers import ContractSerializer


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return published.document


def test_the_document_is_made_without_a_warning_and_is_valid() -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=StringIO())


def test_the_document_describes_every_route_and_method(document: dict[str, Any]) -> None:
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    undocumented = {"schema/", "docs/", "docs/redoc/"}
    expected = {
        ("/" + re.sub(r"<\w+:(\w+)>", r"{\1}", path).replace("{pk}", "{id}"), method)
        for path, methods in (PUBLIC | GUARDED).items()
        for method in methods
        if path.startswith("api/") and not path.endswith(tuple(undocumented))
    }
    assert described == expected


def responses(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {status: published.whole(one) for status, one in operation["responses"].items()}


def test_refusals_are_problem_documents(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in responses(operation).items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], path


def test_every_operation_tells_its_limits(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in responses(operation).items():
                assert {"RateLimit", "RateLimit-Policy", "X-Request-ID"} <= set(response["headers"]), (path, status)
            assert "Retry-After" in responses(operation)["429"]["headers"]


def test_conditional_requests_are_described_where_they_count(document: dict[str, Any]) -> None:
    described, nouns = 0, "|".join(collections())
    for path, item in document["paths"].items():
        is_item = re.search(rf"/({nouns})/\{{id}}/$", path) is not None
        is_collection = re.search(rf"/({nouns})/$", path) is not None
        for method, operation in item.items():
            headers = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}
            tagged = {status for status, one in responses(operation).items() if "ETag" in one["headers"]}
            match method:
                case "get" if is_item:
                    expected = ({"If-Match", "If-None-Match"}, {"200", "304", "412"})
                    assert "content" not in operation["responses"]["304"]
                case "put" | "patch" if is_item:
                    expected = ({"If-Match"}, {"200", "412"})
                case "delete" if is_item:
                    expected = ({"If-Match"}, {"412"})
                case "post" if is_collection:
                    expected = (set(), {"201"})
                case _:
                    expected = (set(), set())
            assert (headers & {"If-Match", "If-None-Match"}, tagged) == expected, (method, path)
            assert ("304" in operation["responses"]) == ("304" in tagged)
            described += is_item
    assert (
        described == sum(len(methods) for path, methods in GUARDED.items() if re.search(r"s/<id:pk>/$", path)) >= 5 * 4
    )
    assert {"version", "changed"} <= set(document["components"]["schemas"]["PreconditionProblem"]["required"])


def test_everything_is_described_and_has_an_example(document: dict[str, Any]) -> None:
    bare = []
    for operation in published.operations:
        described, tags = operation.described, {tag["name"] for tag in document["tags"]}
        assert described["summary"] and described["description"] and set(described["tags"]) <= tags, operation.id
        for parameter in described["parameters"]:
            if not parameter.get("description") or not {"example", "examples"} & parameter.keys():
                bare.append((operation.id, parameter["name"]))
        for status, one in responses(described).items():
            bare += [(operation.id, status)] if not one["description"] else []
            bare += [
                (operation.id, status, name)
                for name, header in one["headers"].items()
                if not published.whole(header)["description"]
            ]
            bare += [
                (operation.id, status)
                for media in one.get("content", {}).values()
                if not {"example", "examples"} & media.keys()
            ]
    assert not bare
    assert len({operation.id for operation in published.operations}) == len(published.operations)


def test_examples_are_what_their_schemas_say(document: dict[str, Any]) -> None:
    def media(one: dict[str, Any]) -> Any:
        return published.whole(one).get("content", {}).values()

    checked = 0
    for operation in published.operations:
        described = operation.described
        bodies = [described.get("requestBody", {}), *described["responses"].values()]
        headers = [published.whole(one) for body in bodies for one in published.whole(body).get("headers", {}).values()]
        for part in [*(part for body in bodies for part in media(body)), *described["parameters"], *headers]:
            values = [published.whole(one)["value"] for one in part.get("examples", {}).values()]
            for value in values or [part["example"]]:
                assert not published.fault(part["schema"], value), (operation.id, value)
                checked += 1
    assert checked > 1_500


def test_the_committed_copy_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "openapi.yaml").read_text() == rendered_document(), "run scripts/openapi"


def test_lists_tell_their_parameters(document: dict[str, Any]) -> None:
    names = {parameter["name"] for parameter in document["paths"]["/api/v1/contracts/"]["get"]["parameters"]}
    assert {
        "page_size",
        "cursor",
        "ordering",
        "count",
        "search",
        "mine",
        "overdue",
        "client_email",
        "amount_min",
    } <= names
    assert set(document["components"]["schemas"]["ContractPage"]["properties"]) == {
        "next",
        "previous",
        "count",
        "results",
    }


def test_an_answer_has_the_fields_that_the_document_promises(
    document: dict[str, Any], world: World, sales: Caller
) -> None:
    for component, path in (
        ("ClientRead", f"clients/{world.own_client.pk}/"),
        ("ContractRead", f"contracts/{world.own_draft.pk}/"),
        ("EventRead", f"events/{world.own_event.pk}/"),
    ):
        assert set(sales.get(API + path).json()) == set(document["components"]["schemas"][component]["properties"])


def test_a_serializer_is_no_way_to_read(world: World) -> None:
    """Reads come from PostgreSQL alone: a second way would be a second truth."""
    with pytest.raises(NotImplementedError):
        ContractSerializer(world.own_draft).data  # noqa: B018  # reading it is the test


def test_the_catalogue_lists_the_endpoints_with_a_line_each(anonymous: Caller) -> None:
    endpoints = anonymous.get(API).json()["endpoints"]
    assert {endpoint["path"] for endpoint in endpoints} == {
        "/" + path for path in PUBLIC | GUARDED if path.startswith("api/")
    } - {API}
    for endpoint in endpoints:
        assert endpoint["methods"]
        assert endpoint["about"].endswith("."), endpoint


@pytest.mark.parametrize("page", ["docs/", "docs/redoc/"])
def test_the_pages_are_of_local_files_and_strict(page: str, anonymous: Caller) -> None:
    response = anonymous.get(API + page)
    assert response.status_code == 200
    content = response.content.decode()
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", content)
    local = re.findall(r'(?:src|href)="(/static/[^"]+)"', content)
    assert len(local) >= 4
    assert all(finders.find(path.removeprefix("/static/")) for path in local), local
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")


def test_the_document_is_served_as_it_is_committed(anonymous: Caller) -> None:
    response = anonymous.get(API + "schema/")
    assert response["Content-Type"].startswith("application/vnd.oai.openapi")
    assert response.content.decode() == (ROOT / "docs" / "openapi.yaml").read_text()


def test_what_creates_a_row_of_a_resource_tells_how_it_is_repeated_and_nothing_else_does(
    document: dict[str, Any],
) -> None:
    repeatable = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            headers = operation["responses"].get("201", {}).get("headers", {})
            told = {"Idempotency-Key" in names, "422" in operation["responses"], "Idempotency-Replayed" in headers}
            assert len(told) == 1, (path, method)
            if told == {True}:
                repeatable.add((re.sub(r"{\w+}", "1", path), method))
    contracts = "/api/v1/clients/1/contracts/"
    assert repeatable >= {(path, "post") for path in ("/api/v1/clients/", contracts, contracts + "1/events/")}
    assert len(repeatable) == len(collections())
