"""`ETag`, `If-None-Match` and `If-Match` (`api.md`, Conditional and repeated requests; RFC 9110, section 13)."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as, because
from access.policy import Role
from access.tests.paths import address, below, body_of
from audit.restore.restoration import last_deletion, restore
from audit.trail import history
from conftest import API, Caller, World, make_client

NOUNS = ("client", "contract", "event")
WRITES = ("put", "patch", "delete")


def row_of(noun: str, world: World) -> Any:
    return {"client": world.own_client, "contract": world.own_draft, "event": world.own_event}[noun]


def name_of(noun: str) -> str:
    return "last_name" if noun == "client" else "name"


def etag(caller: Caller, path: str) -> str:
    response = caller.get(path)
    assert response.status_code == 200, response.content
    return str(response["ETag"])


def version_of(tag: str) -> int:
    return int(tag.strip('"').partition("-")[0])


def stored(row: Any, *fields: str) -> dict[str, Any]:
    with acting_as(Role.SUPERUSER):
        return type(row).objects.filter(pk=row.pk).values(*fields).get()  # type: ignore[no-any-return]  # values() of any model


def write(caller: Caller, method: str, row: Any, world: World, **headers: str) -> Any:
    """A write that is right but for its headers."""
    noun = row._meta.model_name
    body = body_of(noun, world, contact="") if method == "put" else {name_of(noun): "Written"}
    return getattr(caller, method)(address(row), *([] if method == "delete" else [body]), **headers)


# ETag


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("nested", [True, False])
def test_every_answer_about_an_object_carries_the_tag_of_what_it_holds(
    noun: str, nested: bool, world: World, management: Caller
) -> None:
    path = address(row_of(noun, world), nested=nested)
    seen = etag(management, path)
    assert re.fullmatch(r'"1-[0-9a-f]{16}"', seen)
    changed = management.patch(path, {name_of(noun): "Anew"})
    replaced = management.put(path, body_of(noun, world, contact=""))
    assert [version_of(answer["ETag"]) for answer in (changed, replaced)] == [2, 3]
    assert [answer.json()["version"] for answer in (changed, replaced)] == [2, 3]
    assert replaced["ETag"] == etag(management, path) == management.head(path)["ETag"]
    assert len({seen, changed["ETag"], replaced["ETag"]}) == 3


@pytest.mark.parametrize("noun", NOUNS)
def test_a_new_object_comes_with_its_tag(noun: str, world: World, management: Caller) -> None:
    path = {"client": API + "clients/", "contract": below(world.own_client), "event": below(world.own_signed)}[noun]
    made = management.post(path, body_of(noun, world))
    assert made.status_code == 201, made.content
    assert made["ETag"] == etag(management, made["Location"])
    assert version_of(made["ETag"]) == made.json()["version"] == 1


@pytest.mark.parametrize("noun", NOUNS)
def test_the_nested_and_the_flat_path_give_one_tag(noun: str, world: World, sales: Caller) -> None:
    row = row_of(noun, world)
    assert etag(sales, address(row)) == etag(sales, address(row, nested=False))


def test_a_write_that_changes_nothing_keeps_the_tag(world: World, sales: Caller) -> None:
    path = address(world.own_draft)
    assert sales.patch(path, {"name": "Own draft"})["ETag"] == etag(sales, path)


def test_lists_histories_and_deletions_carry_no_tag(world: World, sales: Caller) -> None:
    for path in (API + "clients/", below(world.own_client), f"{address(world.own_client)}history/"):
        assert "ETag" not in sales.get(path)
    assert "ETag" not in sales.delete(address(world.own_draft))


@pytest.mark.parametrize("noun", ["contract", "event"])
def test_the_name_of_a_parent_changes_the_tag_and_not_the_version(noun: str, world: World, sales: Caller) -> None:
    path = address(row_of(noun, world))
    before = etag(sales, path)
    sales.patch(address(world.own_client), {"company_name": "Renamed"})
    after = sales.get(path, HTTP_IF_NONE_MATCH=before)
    assert (after.status_code, after.json()["client"]["company_name"]) == (200, "Renamed")
    assert version_of(after["ETag"]) == version_of(before)


def test_another_name_of_a_parent_makes_the_tag_stale_for_writes_too(world: World, sales: Caller) -> None:
    """Nobody can tell whether the version is the same by chance, as after a disk was restored: the caller reads again."""
    path = address(world.own_draft)
    before = etag(sales, path)
    sales.patch(address(world.own_client), {"company_name": "Renamed"})
    present = etag(sales, path)
    refused = sales.patch(path, {"name": "Written"}, HTTP_IF_MATCH=before)
    assert (refused.status_code, refused["ETag"]) == (412, present)
    document = refused.json()
    assert (document["version"], document["changed"]) == (1, None)
    assert document["detail"] == "This is at version 1, but not as If-Match names it: read it again."
    assert sales.patch(path, {"name": "Written"}, HTTP_IF_MATCH=present).status_code == 200


def test_who_sees_masked_data_has_another_tag(world: World, sales: Caller, management: Caller, auditor: Caller) -> None:
    path = address(world.own_client)
    open_tag, masked_tag = etag(sales, path), etag(auditor, path)
    assert etag(management, path) == open_tag != masked_tag
    assert version_of(open_tag) == version_of(masked_tag)
    assert sales.get(path, HTTP_IF_NONE_MATCH=masked_tag).status_code == 200
    assert auditor.get(path, HTTP_IF_NONE_MATCH=open_tag).status_code == 200
    assert auditor.get(path, HTTP_IF_NONE_MATCH=masked_tag).status_code == 304
    contract = address(world.own_draft)
    assert etag(sales, contract) == etag(auditor, contract)  # nothing personal in it


# If-None-Match


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("nested", [True, False])
def test_who_has_it_already_is_told_so_without_a_body(noun: str, nested: bool, world: World, sales: Caller) -> None:
    path = address(row_of(noun, world), nested=nested)
    whole = sales.get(path)
    for method in (sales.get, sales.head):
        known = method(path, HTTP_IF_NONE_MATCH=whole["ETag"])
        assert (known.status_code, known.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "RateLimit-Policy", "Content-Security-Policy"):
            assert known[name] == whole[name]
        assert known["X-Request-ID"]
        assert "Content-Length" not in known
        assert "Content-Type" not in known
    sales.patch(address(world.own_client), {"company_name": "Renamed"})
    again = sales.get(path, HTTP_IF_NONE_MATCH=whole["ETag"])
    assert again.status_code == 200
    assert again.json() != whole.json()


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("{etag}", 304), ("W/{etag}", 304), ("*", 304), ('"x", {etag}', 304), ('{etag},W/"y"', 304), (', ,\t"a,b" ,{etag},', 304), ("  {etag}  ", 304),
        ('"{version}"', 200), ('"{version}-"', 200), ('"*"', 200), ('""', 200), ('"x"', 200), ('W/"x", "é"', 200),
    ],
)  # fmt: skip
def test_tags_are_compared_whole_and_weakly(value: str, status: int, world: World, sales: Caller) -> None:
    path = address(world.own_client)
    tag = etag(sales, path)
    value = value.format(etag=tag, version=version_of(tag))
    assert sales.get(path, HTTP_IF_NONE_MATCH=value).status_code == status


def test_a_conditional_read_costs_no_more_than_a_plain_one(world: World, sales: Caller) -> None:
    path = address(world.own_event)
    tag = etag(sales, path)
    counts = []
    for headers in ({}, {"HTTP_IF_NONE_MATCH": tag}, {"HTTP_IF_NONE_MATCH": '"x"'}, {"HTTP_IF_MATCH": tag}):
        with CaptureQueriesContext(connection) as queries:
            sales.get(path, **headers)
        counts.append(sum(" FROM " in query["sql"] for query in queries))
    assert counts == [2, 2, 2, 2]  # who is calling, and the row


def test_what_is_invisible_is_missing_whatever_one_has(world: World, partner: Caller, anonymous: Caller) -> None:
    path = address(world.other_client)
    for headers in ({"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_IF_MATCH": '"9"'}, {"HTTP_IF_MATCH": "broken"}):
        assert partner.get(path, **headers).status_code == 404
        assert anonymous.get(path, **headers).status_code == 401


def test_dates_are_no_conditions_here(world: World, sales: Caller) -> None:
    path, past, future = address(world.own_draft), "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    answer = sales.get(path, HTTP_IF_MODIFIED_SINCE=future, HTTP_IF_UNMODIFIED_SINCE=past)
    assert answer.status_code == 200
    assert "Last-Modified" not in answer
    assert sales.patch(path, {"name": "Anew"}, HTTP_IF_UNMODIFIED_SINCE=past).status_code == 200


# If-Match


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("value", ["{etag}", '"x", {etag}', '"{version}", {etag}', "*", None])
def test_a_write_to_the_present_version_goes_on(
    value: str | None, method: str, noun: str, world: World, management: Caller
) -> None:
    row = row_of(noun, world)
    if (noun, method) == ("client", "delete"):
        with acting_as(Role.SUPERUSER):
            row = make_client("Lonely", world.users["sales"])
    tag = etag(management, address(row))
    headers = {} if value is None else {"HTTP_IF_MATCH": value.format(etag=tag, version=version_of(tag))}
    response = write(management, method, row, world, **headers)
    assert response.status_code == (204 if method == "delete" else 200), response.content


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("value", ["{stale}", '"1"', '"2"', '"2-"', '"2-0123456789abcdef"', "W/{etag}", 'W/"2"', '"02"', '""', '"*"', '"x", {stale}'])  # fmt: skip
def test_a_write_to_another_version_leaves_everything_as_it_is(
    value: str, method: str, noun: str, world: World, management: Caller
) -> None:
    row = row_of(noun, world)
    stale = etag(management, address(row))
    present = management.patch(address(row), {name_of(noun): "By somebody else"})["ETag"]
    refused = write(management, method, row, world, HTTP_IF_MATCH=value.format(stale=stale, etag=present))
    document = refused.json()
    assert (refused.status_code, document["code"], document["version"]) == (412, "precondition_failed", 2)
    assert refused["Content-Type"] == "application/problem+json"
    assert refused["ETag"] == present
    assert stored(row, "version", name_of(noun)) == {"version": 2, name_of(noun): "By somebody else"}
    assert etag(management, address(row)) == present


def test_the_refusal_names_the_fields_that_differ(world: World, sales: Caller, management: Caller) -> None:
    path = address(world.own_client)
    known = etag(sales, path)
    management.patch(path, {"phone": "+33199005678", "sales_contact_id": world.users["other_sales"].pk})
    management.patch(path, {"last_name": "Garnier"})
    management.patch(path, {"first_name": "Anna", "mobile": ""})
    middle = etag(management, path)
    management.patch(path, {"first_name": "Ann"})
    refused = sales.patch(path, {"last_name": "Doe-Smith"}, HTTP_IF_MATCH=known)
    assert refused.json() == {
        "type": "about:blank", "title": "Precondition Failed", "status": 412, "code": "precondition_failed",
        "detail": "This is at version 5 now, and If-Match names another.", "request_id": refused["X-Request-ID"],
        "version": 5, "changed": ["last_name", "phone", "mobile", "sales_contact"],
    }  # fmt: skip
    assert sales.patch(path, {}, HTTP_IF_MATCH=middle).json()["changed"] == ["first_name"]
    # Of several, the newest that there has been; of none that there has been, nobody can tell.
    assert sales.patch(path, {}, HTTP_IF_MATCH=f'{middle}, {known}, "99"').json()["changed"] == ["first_name"]
    for never in ('"99"', '"0"', '"x"', '"99999999999999999999999"', '"-1"', '"1e0"'):
        assert sales.patch(path, {}, HTTP_IF_MATCH=never).json()["changed"] is None, never
    weak = sales.patch(path, {}, HTTP_IF_MATCH=f"W/{etag(sales, path)}").json()
    assert (weak["changed"], weak["detail"]) == ([], "This is at version 5 now, and If-Match takes no weak tags.")


def test_the_refusal_tells_no_values_and_no_column_that_the_object_does_not_show(
    world: World, sales: Caller, auditor: Caller
) -> None:
    path = address(world.own_client)
    known = etag(auditor, path)
    with acting_as(Role.SUPERUSER):
        world.own_client.account = None
        world.own_client.save(update_fields=["account"])
    unseen = sales.patch(path, {}, HTTP_IF_MATCH=known).json()
    assert (unseen["version"], unseen["changed"]) == (2, [])
    sales.patch(path, {"phone": "+33199005678", "email": "garnier@own.example"})
    refused = auditor.get(path, HTTP_IF_MATCH=known)
    assert (refused.status_code, refused.json()["changed"]) == (412, ["email", "phone"])
    assert refused["ETag"] == etag(auditor, path) != etag(sales, path)
    assert b"5678" not in refused.content
    assert b"garnier" not in refused.content


def test_what_was_deleted_and_restored_is_another_version(world: World, management: Caller) -> None:
    path = address(world.own_draft)
    known = etag(management, path)
    management.patch(path, {"name": "Anew"})
    key = world.own_draft.pk
    assert management.delete(path).status_code == 204
    gone = management.patch(path, {"name": "x"}, HTTP_IF_MATCH=known)
    assert gone.status_code == 404
    with because("Deleted by mistake"), acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        restore(last_deletion("contract", key))
    for tag, changed in ((known, ["name"]), ('"2"', [])):
        refused = management.patch(path, {"name": "x"}, HTTP_IF_MATCH=tag).json()
        assert (refused["version"], refused["changed"]) == (3, changed)


def test_what_is_too_long_ago_is_not_read(world: World, management: Caller, monkeypatch: Any) -> None:
    monkeypatch.setattr(history, "_MOST_CHANGES", 3)
    path = address(world.own_draft)
    for number in range(4):
        management.patch(path, {"name": f"Draft {number}"})
    assert management.delete(path, HTTP_IF_MATCH='"2"').json()["changed"] == ["name"]
    assert management.delete(path, HTTP_IF_MATCH='"1"').json()["changed"] is None


# The order of refusals, and where conditions count


@pytest.mark.parametrize("value", ['"99"', "*", "broken"])
@pytest.mark.parametrize("method", WRITES)
def test_permission_is_decided_before_the_precondition(
    method: str, value: str, world: World, other_sales: Caller, partner: Caller, auditor: Caller, anonymous: Caller
) -> None:
    for caller, status in ((anonymous, 401), (partner, 403), (auditor, 403), (other_sales, 403)):
        assert write(caller, method, world.own_draft, world, HTTP_IF_MATCH=value).status_code == status
    assert write(partner, method, world.other_draft, world, HTTP_IF_MATCH=value).status_code == 404
    wrong_chain = address(world.own_draft).replace(f"/{world.own_client.pk}/", f"/{world.other_client.pk}/")
    assert getattr(other_sales, method)(wrong_chain, HTTP_IF_MATCH=value).status_code == 404
    assert stored(world.own_draft, "version", "name") == {"version": 1, "name": "Own draft"}


def test_the_precondition_is_decided_before_the_body_and_the_state(world: World, sales: Caller) -> None:
    signed = address(world.own_signed)
    known = etag(sales, signed)
    for body, otherwise in (
        ({"amount": "many"}, 400), ({"bogus": 1}, 400), ({"amount": "1.00"}, 409), ({"status": "draft"}, 409),
    ):  # fmt: skip
        assert sales.patch(signed, body, HTTP_IF_MATCH='"99"').status_code == 412
        assert sales.patch(signed, body, HTTP_IF_MATCH=known).status_code == otherwise
    assert sales.delete(signed, HTTP_IF_MATCH='"99"').status_code == 412
    assert sales.delete(signed, HTTP_IF_MATCH=known).status_code == 409


def test_an_action_finer_than_update_shows_in_the_body_and_so_comes_after(world: World, sales: Caller) -> None:
    known = etag(sales, address(world.own_client))
    body = {"sales_contact_id": world.users["other_sales"].pk}
    assert sales.patch(address(world.own_client), body, HTTP_IF_MATCH='"99"').status_code == 412
    assert sales.patch(address(world.own_client), body, HTTP_IF_MATCH=known).status_code == 403


@pytest.mark.parametrize("method", WRITES)
def test_a_write_that_excludes_what_is_there_is_refused(method: str, world: World, management: Caller) -> None:
    tag = etag(management, address(world.own_draft))
    for value in ("*", tag, f"W/{tag}"):
        refused = write(management, method, world.own_draft, world, HTTP_IF_NONE_MATCH=value)
        assert (refused.status_code, refused.json()["changed"]) == (412, [])
    assert stored(world.own_draft, "version", "name") == {"version": 1, "name": "Own draft"}
    allowed = write(management, method, world.own_draft, world, HTTP_IF_NONE_MATCH='"99"')
    assert allowed.status_code in (200, 204)


def test_a_read_of_another_version_is_refused_too(world: World, sales: Caller) -> None:
    path = address(world.own_draft)
    assert sales.get(path, HTTP_IF_MATCH=etag(sales, path)).status_code == 200
    refused = sales.get(path, HTTP_IF_MATCH='"99"', HTTP_IF_NONE_MATCH="*")
    assert (refused.status_code, refused["ETag"]) == (412, etag(sales, path))
    assert sales.get(path, HTTP_IF_MATCH="*", HTTP_IF_NONE_MATCH="*").status_code == 304


@pytest.mark.parametrize("header", ["HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"])
@pytest.mark.parametrize("value", ["*", '"99"', "broken", ""])
def test_collections_and_histories_have_no_version_and_take_no_condition(
    value: str, header: str, world: World, sales: Caller
) -> None:
    for path in (API + "contracts/", f"{address(world.own_draft)}history/"):
        assert sales.get(path, **{header: value}).status_code == 200
        assert sales.options(path, **{header: value}).status_code == 200
    made = sales.post(below(world.own_client), body_of("contract", world), **{header: value})
    assert made.status_code == 201


# Hostile values

BROKEN = [
    "", " ", ",", ", ,", "1", "1-abc", '"', '"1', '1"', '"1" "2"', '"1""2"', "'1'", '"1", *', "*, *", "**", 'w/"1"', 'W/1', 'W/ "1"', "W/", '"2 "', '"a b"', '"a\tb"', '"\x00"',
    '"\x7f"', '"1"\x00', "\x00", "é", "💥", '"💥"', '"\u0661"', '"1";q=1', "a" * 10_240, '"' * 10_241, '"' + "a" * 10_240, "," * 10_240, "W/" * 5_000, '"1",' * 2_500 + "x",
    '"1",' + " " * 10_000 + "x", '"1"' + " " * 10_000 + "x", '"1" ' * 2_500, "%22 1 %22", '"1"\n', "<script>",
]  # fmt: skip


@pytest.mark.parametrize("header", ["HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"])
def test_what_is_no_list_of_tags_is_refused_with_a_sentence(header: str, world: World, management: Caller) -> None:
    name = {"HTTP_IF_MATCH": "If-Match", "HTTP_IF_NONE_MATCH": "If-None-Match"}[header]
    for value in BROKEN:
        for method in ("get", "head", *WRITES):
            refused = (
                getattr(management, method)(address(world.own_draft), **{header: value})
                if method in ("get", "head")
                else write(management, method, world.own_draft, world, **{header: value})
            )
            assert refused.status_code == 400, (method, value[:40])
            if method != "head":
                document = refused.json()
                assert document["errors"][0]["pointer"] == name
                assert document["errors"][0]["detail"].startswith(f"{name} holds entity tags"), value[:40]
    assert stored(world.own_draft, "version", "name") == {"version": 1, "name": "Own draft"}


@pytest.mark.parametrize(
    "value",
    ['"' + "a" * 10_240 + '"', ",".join(['"7-x"'] * 2_000), '"' + "9" * 9_000 + '"', '"\xff\x80é"', '"-"', '"--1"', '"1\\"', '""' + "," * 9_000, "\"';DROP_TABLE_x\""],
)  # fmt: skip
def test_long_lists_and_strange_tags_match_nothing(value: str, world: World, management: Caller) -> None:
    path = address(world.own_draft)
    assert management.get(path, HTTP_IF_NONE_MATCH=value).status_code == 200
    for method in WRITES:
        refused = write(management, method, world.own_draft, world, HTTP_IF_MATCH=value)
        assert (refused.status_code, refused.json()["changed"]) == (412, None), value[:40]
    known = etag(management, path)
    assert management.patch(path, {"name": "Anew"}, HTTP_IF_MATCH=f"{value},{known}").status_code == 200
