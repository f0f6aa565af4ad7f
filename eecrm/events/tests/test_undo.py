"""One change is taken back: its old values return where nothing came in between."""

from typing import Any

import pytest
from django.core.management import CommandError
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as, because
from access.policy import Role
from audit.restore.restoration import CannotRestore, undo
from audit.tests.site_forms import form_on
from conftest import LOCKING, Visitor, World, as_migrator, make_client, make_contract, make_event
from events.tests.trail import change, delete, entries, last, stored

WHY = "That was the wrong company"


def page_of(entry: Any) -> str:
    return f"/hidden-admin/audit/entry/{entry.pk}/undo/"


@pytest.fixture(params=["command", "page"])
def undone(request: Any, run: Any, visit: Any) -> Any:
    """Undo this entry; the sentence of a refusal, or nothing."""

    def by_command(entry: Any) -> str:
        try:
            run("restore", "--undo", str(entry.pk), "--reason", WHY, "--as", "management")
        except CommandError as error:
            return str(error)
        return ""

    def by_page(entry: Any) -> str:
        answer = visit("management").confirm(page_of(entry), {"change_reason": WHY})
        return str(answer.context["problem"]) if answer.status_code == 200 else ""

    return by_command if request.param == "command" else by_page


def test_a_change_is_undone_field_by_field_with_an_entry_of_its_own(world: World, undone: Any) -> None:
    event, before = world.own_event, stored(world.own_event)
    entry = change(event, name="Wrong", attendees=7, support_contact=world.users["other_support"], notes="Wrong")
    change(event, location="Lyon")
    assert before is not None
    assert undone(entry) == ""
    assert stored(event) == before | {"location": "Lyon", "version": before["version"] + 3}
    told = last(event)
    assert (told.operation, told.reason, told.actor_name) == ("update", WHY, "management")
    assert set(told.new) == {"name", "attendees", "support_contact_id", "notes", "version", "updated_at"}


def test_an_undo_is_undone_like_any_change(world: World, undone: Any) -> None:
    change(world.own_client, company_name="Wrong", sales_contact=world.users["other_sales"])
    assert undone(last(world.own_client)) == ""
    assert undone(last(world.own_client)) == ""
    row = stored(world.own_client)
    assert row is not None
    assert (row["company_name"], row["sales_contact_id"]) == ("Wrong", world.users["other_sales"].pk)


def test_what_was_changed_again_since_is_named(world: World, undone: Any) -> None:
    entry = change(world.own_client, company_name="Wrong", last_name="Wrong", phone="")
    change(world.own_client, company_name="Right", phone="+33123456789")
    before = stored(world.own_client)
    assert undone(entry) == "This was changed again since: company name, phone. Undo the later change first."
    assert stored(world.own_client) == before
    assert undone(last(world.own_client)) == ""
    assert undone(entry) == ""


def test_money_and_times_are_compared_as_what_they_are(world: World, undone: Any) -> None:
    entry = change(world.own_draft, amount="0.10")
    with acting_as(Role.SUPERUSER):
        type(world.own_draft).objects.filter(pk=world.own_draft.pk).update(amount="0.1", name="Renamed")
    assert undone(entry) == ""
    row = stored(world.own_draft)
    assert row is not None
    assert (str(row["amount"]), row["name"]) == ("1500.00", "Renamed")


def test_a_signature_is_taken_back_and_an_event_reopened(world: World, undone: Any) -> None:
    signed = change(world.own_draft, status="signed")
    assert "signed_at" in signed.new
    assert undone(signed) == ""
    row = stored(world.own_draft)
    assert row is not None
    assert (row["status"], row["signed_at"]) == ("draft", None)
    assert undone(change(world.own_event, status="closed")) == ""


def test_the_rules_hold_for_an_undo(world: World, undone: Any) -> None:
    with acting_as(Role.SUPERUSER):
        prospect = make_client("Prospect", world.users["sales"], status="prospect")
    assert undone(change(prospect, status="client")) == "A client never becomes a prospect again."
    moved = change(world.own_client, sales_contact=world.users["other_sales"])
    with acting_as(Role.SUPERUSER):
        type(world.users["sales"]).objects.filter(username="sales").update(is_active=False)
    assert undone(moved) == "A sales contact is an active sales user."
    started = change(world.own_event, status="in_progress")
    assert undone(started) == "An event goes from created over in progress to closed, one way."
    assert last(world.own_event).pk == started.pk


def test_what_there_is_nothing_to_undo_of_is_said(world: World, undone: Any) -> None:
    with acting_as(Role.SUPERUSER):
        contract = make_contract(world.own_client, "To go")
        type(contract).objects.filter(pk=contract.pk).update(name="to go")
    renamed, made = last(contract, "update"), last(contract, "insert")
    assert undone(made) == "Only a change can be undone: this entry is about something else."
    delete(contract)
    assert undone(renamed) == f"The contract {contract.pk} was deleted: restore it first."
    with acting_as(Role.SUPERUSER):
        event = make_event(world.own_signed, "Touched", None)
        event.save(update_fields=["name"])
    assert undone(last(event)) == "Nothing that people write was changed: there is nothing to undo."


def test_the_page_shows_now_and_then(world: World, visit: Any) -> None:
    manager, entry = visit("management"), change(world.own_event, name="Wrong", support_contact=None)
    shown = manager.get(page_of(entry)).content.decode()
    for words in ("<td>Wrong</td><td>Own party</td>", "<td>–</td><td>support</td>"):
        assert words in shown
    assert manager.confirm(page_of(entry), {"change_reason": ""}).status_code == 200
    assert len(entries(world.own_event)) == 2
    answer = manager.confirm(page_of(entry), {"change_reason": WHY}, follow=True)
    assert "The event Own party is as it was before that change." in answer.content.decode()


def test_a_row_that_is_deleted_while_its_page_is_made_is_told(world: World, visit: Any) -> None:
    draft, browser = world.own_draft, visit("management")
    page = page_of(change(draft, name="Wrong"))

    def delete_once_compared(execute: Any, sql: str, *arguments: Any) -> Any:
        done = execute(sql, *arguments)
        if 'stored."name" IS NOT DISTINCT FROM' in sql:
            type(draft).objects.filter(pk=draft.pk).delete()
        return done

    with connection.execute_wrapper(delete_once_compared):
        answer = browser.get(page)
    assert answer.context["problem"] == f"The contract {draft.pk} was deleted: restore it first."


def test_nobody_signs_by_an_undo_what_they_never_saw(world: World, visit: Any) -> None:
    page = page_of(change(world.own_signed, status="draft"))
    manager = visit("management")
    shown = manager.get(page)
    assert f"<td>{world.own_signed.amount}" in shown.content.decode()
    change(world.own_signed, amount="1.00")
    again = manager.post(page, form_on(shown) | {"change_reason": WHY})
    assert again.status_code == 200
    assert "amount has changed" in again.content.decode()
    with acting_as(Role.SUPERUSER):
        assert type(world.own_signed)._default_manager.get(pk=world.own_signed.pk).status == "draft"
    with CaptureQueriesContext(connection) as queries:
        assert manager.post(page, form_on(again) | {"change_reason": WHY}).status_code == 302
    comparisons = [query["sql"] for query in queries if 'stored."status" IS NOT DISTINCT FROM' in query["sql"]]
    assert comparisons and all(map(LOCKING.search, comparisons)), "the row could change after it was compared"


def test_an_entry_that_got_the_number_of_another_is_not_undone_for_it(committed_world: World) -> None:
    """As after a data folder that was put back: the number of the entry, its values and those of the row are the same."""
    mine, other = committed_world.own_client, committed_world.other_client
    for client in (mine, other):
        change(client, company_name="Before")
    entry = change(mine, company_name="Wrong")
    manager = Visitor()
    manager.force_login(committed_world.users["management"])
    shown = form_on(manager.get(page_of(entry)))
    change(other, company_name="Wrong")
    with as_migrator() as migrator:
        migrator.cursor().execute(
            "UPDATE audit.entry SET row_key = %s, at = at + interval '1 s' WHERE id = %s", [str(other.pk), entry.pk]
        )
    answer = manager.post(page_of(entry), shown | {"change_reason": WHY})
    assert f"client {mine.pk} before, client {other.pk} now" in answer.content.decode()
    assert stored(other)["company_name"] == "Wrong"  # type: ignore[index]  # it is there


def test_the_dry_run_tells_now_and_then(world: World, run: Any) -> None:
    entry = change(world.own_event, status="closed", notes="Wrong")
    said = run("restore", "--undo", str(entry.pk), "--reason", WHY, "--dry-run")
    assert said.startswith(f"Nothing is changed yet. Undone: event {world.own_event.pk}, Own party. ")
    assert "status: Closed → Created" in said
    assert "notes: Wrong → –" in said
    assert last(world.own_event).pk == entry.pk


def test_who_may_not_restore_undoes_nothing(world: World, visit: Any) -> None:
    entry = change(world.own_event, name="Wrong")
    for method in ("get", "post"):
        assert getattr(visit("auditor"), method)(page_of(entry), {"change_reason": WHY}).status_code == 403
        assert "/login/" in getattr(visit("support"), method)(page_of(entry), {"change_reason": WHY}).url
    for role in (Role.AUDITOR, Role.EXTERNAL, Role.SUPPORT):
        with (
            pytest.raises((CannotRestore, DatabaseError)),
            because(WHY),
            acting_as(role, user_id=world.users["other_support"].pk),
        ):
            undo(entry)
    assert last(world.own_event).pk == entry.pk
    assert visit("superuser").confirm(page_of(entry), {"change_reason": WHY}).status_code == 302
