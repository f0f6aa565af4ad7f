"""What is done with a reason only: PostgreSQL demands it, the API and the admin site ask for it in a sentence."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from access.database import acting_as, because, enter, leave
from access.policy import Role
from conftest import API, Caller, World, local, make_client, make_contract, make_event
from events.tests.trail import delete, entries, last, logged, stored

WHY = {"HTTP_X_CHANGE_REASON": "Signed too early"}


def sql(statement: str, role: str = Role.MANAGEMENT, reason: str = "", user_id: int | None = None) -> str:
    """Run a statement as the app role; the rule or the code with which it was refused, or nothing."""
    try:
        with because(reason), transaction.atomic():
            enter(role, user_id=user_id)
            with connection.cursor() as cursor:
                cursor.execute(statement)
        leave()
    except DatabaseError as error:
        diagnosis = error.__cause__.diag  # type: ignore[union-attr]  # always psycopg2's
        return str(diagnosis.constraint_name or diagnosis.sqlstate)
    return ""


@pytest.fixture
def closed(world: World) -> Any:
    with acting_as(Role.SUPERUSER):
        return make_event(world.own_signed, "Over", world.users["support"], status="closed")


def test_a_contract_is_reopened_with_a_reason_only(world: World, management: Caller) -> None:
    path = f"{API}contracts/{world.own_signed.pk}/"
    for blank in ({}, {"HTTP_X_CHANGE_REASON": "   "}):
        refusal = management.patch(path, {"status": "draft", "name": "Changed"}, **blank)
        problem = refusal.json()
        assert (refusal.status_code, problem["code"]) == (400, "reason_required")
        assert problem["detail"] == "Say why you reopen it. Send a reason with X-Change-Reason."
        assert problem["errors"] == [
            {"pointer": "X-Change-Reason", "code": "contract_reopen_needs_reason", "detail": problem["detail"]}
        ]
        assert management.get(path).json()["status"] == "signed"
    assert management.patch(path, {"status": "draft"}, **WHY).json()["status"] == "draft"
    assert last(world.own_signed).reason == "Signed too early"


def test_an_event_is_reopened_with_a_reason_only(closed: Any, management: Caller) -> None:
    path = f"{API}events/{closed.pk}/"
    for status in ("in_progress", "created"):
        problem = management.patch(path, {"status": status}).json()
        assert (problem["status"], problem["errors"][0]["code"]) == (400, "event_reopen_needs_reason")
    assert management.patch(path, {"notes": "Thanks came in"}).status_code == 200
    assert management.patch(path, {"status": "in_progress"}, **WHY).json()["status"] == "in_progress"


@pytest.mark.parametrize("why", [{}, WHY])
def test_permission_is_decided_before_the_reason(
    why: dict[str, str], world: World, closed: Any, sales: Caller, other_sales: Caller, support: Caller
) -> None:
    path = f"{API}contracts/{world.own_signed.pk}/"
    assert other_sales.patch(path, {"status": "draft"}, **why).status_code == 403
    assert sales.patch(path, {"status": "draft"}, **why).json()["rule"] == "contract_signed_stays_signed"
    refusal = support.patch(f"{API}events/{closed.pk}/", {"status": "created"}, **why)
    assert refusal.json()["rule"] == "event_closed_read_only"


def test_raw_sql_needs_a_reason_too(world: World, closed: Any) -> None:
    for statement, rule in (
        (f"UPDATE contracts_contract SET status = 'draft' WHERE id = {world.own_signed.pk}", "contract_reopen_needs_reason"),
        (f"UPDATE events_event SET status = 'created' WHERE id = {closed.pk}", "event_reopen_needs_reason"),
    ):  # fmt: skip
        assert sql(statement) == rule
        assert sql(statement, reason="Because") == ""


def insertion(noun: str, world: World, key: int) -> str:
    return {
        "client": "INSERT INTO clients_client (id, company_name, first_name, last_name, email, phone, mobile, sales_contact_id) "
                  f"VALUES ({key}, 'R', 'R', 'R', 'r@r.example', '', '', {world.users['sales'].pk})",
        "contract": "INSERT INTO contracts_contract (id, client_id, name, amount, payment_due) "
                    f"VALUES ({key}, {world.own_client.pk}, 'R', 1, '2027-01-01')",
        "event": "INSERT INTO events_event (id, contract_id, name, attendees, starts_at, location, notes) "
                 f"VALUES ({key}, {world.own_signed.pk}, 'R', 1, '2027-01-01', '', '')",
    }[noun]  # fmt: skip


def make(noun: str, world: World) -> Any:
    with acting_as(Role.SUPERUSER):
        match noun:
            case "client":
                return make_client("Lonely", world.users["sales"])
            case "contract":
                return make_contract(world.own_client, "Lonely")
    with acting_as(Role.SUPERUSER):
        return make_event(world.own_signed, "Lonely", None)


@pytest.mark.parametrize("is_newest", [True, False])
@pytest.mark.parametrize("noun", ["client", "contract", "event"])
def test_a_deleted_key_comes_back_with_a_reason_and_for_management_only(
    noun: str, is_newest: bool, world: World
) -> None:
    row = make(noun, world)
    if not is_newest:
        with acting_as(Role.SUPERUSER):
            another = make_client("Next", world.users["sales"])
            make_event(make_contract(another, "Next", signed=True), "Next", None)
    delete(row)
    statement, person = insertion(noun, world, row.pk), world.users["sales"].pk
    assert sql(statement) == "restore_needs_reason"
    assert sql(statement, role=Role.SALES, reason="I want it", user_id=person) == "42501"
    assert sql(statement, reason="It was deleted by mistake") == ""
    assert last(row).reason == "It was deleted by mistake"


@pytest.mark.parametrize("noun", ["client", "contract", "event"])
def test_a_key_that_nobody_had_needs_none(noun: str, world: World) -> None:
    assert sql(insertion(noun, world, 2**40)) == ""


@pytest.mark.parametrize("noun", ["client", "contract", "event"])
def test_the_maker_of_a_row_does_not_write_its_record(noun: str, world: World) -> None:
    forged = insertion(noun, world, 2**40).replace(" (id,", " (id, version, created_at, updated_at,")
    forged = forged.replace(f"VALUES ({2**40},", f"VALUES ({2**40}, 77, '2020-01-01', '2020-01-01',")
    if noun == "contract":
        forged = forged.replace("payment_due)", "payment_due, signed_at)").replace(
            "'2027-01-01')", "'2027-01-01', now())"
        )
    model = type({"client": world.own_client, "contract": world.own_draft, "event": world.own_event}[noun])
    assert sql(forged, role=Role.SALES, user_id=world.users["sales"].pk) == ""
    with acting_as(Role.SUPERUSER):
        row = model.objects.get(pk=2**40)
    assert (row.version, row.created_at.year > 2020, row.updated_at.year > 2020) == (1, True, True)


def test_who_may_not_assign_links_no_account(world: World) -> None:
    account, client, sales = world.users["unlinked"].pk, world.own_client.pk, world.users["sales"].pk
    linked = (
        insertion("client", world, 2**40)
        .replace("(id,", "(account_id, id,")
        .replace("VALUES (", f"VALUES ({account}, ")
    )
    for statement in (
        linked,
        f"UPDATE clients_client SET account_id = {account} WHERE id = {client}",
        f"UPDATE clients_client SET account_id = NULL WHERE id = {client}",
    ):
        assert sql(statement, role=Role.SALES, user_id=sales) == "42501"
        assert sql(statement) in ("", "clients_client_account_id_key")


def test_whoever_the_policy_does_not_let_sign_is_refused_by_the_database(world: World, migrator: Any) -> None:
    """No role has *update* and lacks *sign*, until somebody flips that cell."""
    statement = f"UPDATE contracts_contract SET status = 'signed' WHERE id = {world.own_draft.pk}"
    function = "CREATE OR REPLACE FUNCTION eecrm.policy_allows(action text) RETURNS boolean LANGUAGE sql STABLE AS $policy${}$policy$"
    with migrator.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE oid = 'eecrm.policy_allows(text)'::regprocedure")
        (body,) = cursor.fetchone()
        assert "'eecrm_sales contract.sign'" in body
        cursor.execute(function.format(body.replace("'eecrm_sales contract.sign'", "''")))
        try:
            assert sql(statement, role=Role.SALES, user_id=world.users["sales"].pk) == "42501"
        finally:
            cursor.execute(function.format(body))
    assert sql(statement, role=Role.SALES, user_id=world.users["sales"].pk) == ""


def form_of(row: Any) -> dict[str, Any]:
    if row._meta.model_name == "client":
        names = ("company_name", "status", "first_name", "last_name", "email", "phone", "mobile")
        return {name: str(getattr(row, name)) for name in names} | {"sales_contact": row.sales_contact_id}
    if row._meta.model_name == "contract":
        return {name: str(getattr(row, name)) for name in ("name", "status", "amount", "currency", "payment_due")}
    starts_at = local(row.starts_at)
    starts = {"starts_at_0": f"{starts_at:%Y-%m-%d}", "starts_at_1": f"{starts_at:%H:%M:%S}"}
    return {name: str(getattr(row, name)) for name in ("name", "status", "attendees")} | starts


def page_of(row: Any) -> str:
    return f"/hidden-admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/"


def test_the_admin_site_asks_why(world: World, closed: Any, visit: Any) -> None:
    manager = visit("management")
    for row in (world.own_client, world.own_draft, closed):
        page = page_of(row) + "change/"
        assert b'name="change_reason"' in manager.get(page).content
        assert b'name="change_reason"' not in visit("auditor").get(page).content
        typo = {"last_name": "Smith"} if row == world.own_client else {"name": "Retyped"}
        answer = manager.post(page, form_of(row) | typo | {"change_reason": "Typing error"})
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        assert (last(row).channel, last(row).reason, last(row).actor_name) == ("admin", "Typing error", "management")
    form = form_of(world.own_client) | {"email": "new@new.example", "status": "prospect", "change_reason": "A fair"}
    assert manager.post("/hidden-admin/clients/client/add/", form).status_code == 302
    with acting_as(Role.SUPERUSER):
        made = type(world.own_client).objects.get(email="new@new.example")
    assert last(made).reason == "A fair"
    assert manager.confirm(page_of(made) + "delete/", {"post": "yes", "change_reason": "By mistake"}).status_code == 302
    assert last(made, "delete").reason == "By mistake"


def test_the_page_of_an_account_asks_why_too(world: World, visit: Any) -> None:
    manager, account = visit("management"), world.users["unlinked"]
    form = {"username": "unlinked", "role": "external", "is_active": "on", "change_reason": "Married"}
    assert manager.post(page_of(account) + "change/", form | {"last_name": "Meyer"}).status_code == 302
    assert (last(account, "update").reason, last(account, "update").new["last_name"]) == ("Married", "Meyer")
    form = {"username": "newcomer", "role": "sales", "email": "n@epic.example", "change_reason": "Hired"}
    assert manager.post("/hidden-admin/accounts/user/add/", form).status_code == 302
    with acting_as(Role.SUPERUSER):
        made = type(account).objects.get(username="newcomer")
    assert last(made).reason == "Hired"
    assert "Reason" not in logged(account)


def test_reopening_in_the_admin_site_without_a_reason_keeps_what_was_typed(
    world: World, closed: Any, visit: Any
) -> None:
    manager = visit("management")
    for row, status in ((world.own_signed, "draft"), (closed, "created")):
        before, page = stored(row), page_of(row) + "change/"
        answer = manager.post(page, form_of(row) | {"status": status, "name": "Also renamed"})
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors == {"change_reason": ["Say why you reopen it."]}
        assert b"Also renamed" in answer.content
        assert stored(row) == before
        form = form_of(row) | {"status": status, "name": "Also renamed", "change_reason": "More to do"}
        assert manager.post(page, form).status_code == 302
        assert (last(row).reason, last(row).new["name"]) == ("More to do", "Also renamed")


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", "zero\u200bwidth", "\x00"])
def test_a_reason_is_a_line_of_text(reason: str, world: World, visit: Any) -> None:
    manager, row = visit("management"), world.own_draft
    answer = manager.post(page_of(row) + "change/", form_of(row) | {"change_reason": reason})
    assert answer.status_code == 200
    assert "change_reason" in answer.context["adminform"].form.errors
    answer = manager.confirm(page_of(row) + "delete/", {"post": "yes", "change_reason": reason}, follow=True)
    assert b"A reason is a line of text" in answer.content
    assert len(entries(row)) == 1


def test_a_reason_ends_with_its_request(world: World, visit: Any) -> None:
    manager, row = visit("management"), world.own_draft
    manager.post(page_of(row) + "change/", form_of(row) | {"change_reason": "Nothing changed"})
    manager.post(page_of(row) + "change/", form_of(row) | {"name": "Renamed", "change_reason": "Once"})
    manager.post(page_of(row) + "change/", form_of(row) | {"name": "Twice"})
    assert [entry.reason for entry in entries(row, "update")] == ["Once", ""]
