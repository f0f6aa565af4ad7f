"""Nothing is lost: what was deleted comes back from the trail, by command or from the admin site, or is refused in a sentence."""

from typing import Any

import pytest
from django.core.management import CommandError
from django.db import DatabaseError, connection

from access.database import acting_as, because
from access.policy import Role
from audit.restore.restoration import CannotRestore, restore
from conftest import World, make_client, make_contract, make_event
from events.tests.trail import change, delete, entries, last, logged, stored

WHY = "Deleted by mistake"


def noun_of(row: Any) -> str:
    return str(row._meta.model_name)


@pytest.fixture
def chain(world: World) -> tuple[Any, Any, Any]:
    """A client with a signed contract with a closed event, as rows tell it that have seen something."""
    with acting_as(Role.SUPERUSER):
        client = make_client("Chain", world.users["sales"], account=world.users["unlinked"], mobile="")
        contract = make_contract(client, "Signed", signed=True, amount="9999999999.99")
        event = make_event(contract, "Over", world.users["support"], status="closed", notes="“quoted”\n\\ and\ttabbed")
        for row, field in ((client, "company_name"), (contract, "name"), (event, "name")):
            row.save(update_fields=[field])
    return client, contract, event


class Way:
    """One of the two ways to restore; `restore(row)` gives the sentence of a refusal, or nothing."""

    def __init__(self, run: Any, visit: Any) -> None:
        self.run, self.visit = run, visit

    def command(self, row: Any) -> str:
        try:
            self.run("restore", noun_of(row), str(row.pk), "--reason", WHY, "--as", "management")
        except CommandError as error:
            return str(error)
        return ""

    def page(self, row: Any) -> str:
        answer = self.visit("management").confirm(restore_page(last(row, "delete")), {"change_reason": WHY})
        if answer.status_code == 200:
            return str(answer.context["problem"])
        assert answer.url == f"/hidden-admin/{row._meta.app_label}/{noun_of(row)}/{row.pk}/change/"
        return ""


def restore_page(entry: Any) -> str:
    return f"/hidden-admin/audit/entry/{entry.pk}/restore/"


@pytest.fixture(params=["command", "page"])
def restored(request: Any, run: Any, visit: Any) -> Any:
    return getattr(Way(run, visit), request.param)


def test_client_contract_and_event_come_back_in_order(chain: tuple[Any, Any, Any], restored: Any) -> None:
    client, contract, event = chain
    before = [stored(row) for row in chain]
    for row in reversed(chain):
        delete(row)
    assert restored(event) == f"Restore its contract first: number {contract.pk}."
    assert restored(contract) == f"Restore its client first: number {client.pk}."
    for row, values in zip(chain, before, strict=True):
        assert values is not None
        assert restored(row) == ""
        assert stored(row) == values | {"version": values["version"] + 1}
        entry = last(row)
        assert (entry.operation, entry.reason, entry.actor_name) == ("insert", WHY, "management")
        assert restored(row) == f"The {noun_of(row)} {row.pk} is there: it needn't be restored."
        assert last(row).pk == entry.pk


def test_what_was_restored_lives_on(chain: tuple[Any, Any, Any], restored: Any, management: Any) -> None:
    event = chain[2]
    delete(event)
    restored(event)
    row = management.get(f"/api/v1/events/{event.pk}/").json()
    again = management.patch(row["url"], {"notes": "And on"}).json()
    assert (again["version"], again["notes"]) == (row["version"] + 1, "And on")
    assert management.get("/api/v1/events/?search=over").json()["results"][0]["id"] == event.pk
    assert management.delete(row["url"]).status_code == 204
    assert restored(event) == ""
    assert len(entries(event, "delete")) == 2


def test_only_the_last_deletion_counts(chain: tuple[Any, Any, Any], visit: Any) -> None:
    event, manager = chain[2], visit("management")
    first = delete(event)
    manager.confirm(restore_page(first), {"change_reason": WHY})
    change(event, name="Later")
    delete(event)
    answer = manager.confirm(restore_page(first), {"change_reason": WHY})
    assert (
        answer.context["problem"] == f"The event {event.pk} was deleted again later: restore it from its last deletion."
    )
    assert stored(event) is None


@pytest.mark.parametrize(
    ("spoil", "index", "sentence"),
    [
        ("UPDATE accounts_user SET is_active = false WHERE username = 'sales'", 0, "A sales contact is an active sales user."),
        ("UPDATE accounts_user SET role = 'support' WHERE username = 'sales'", 0, "A sales contact is an active sales user."),
        ("UPDATE clients_client SET email = 'ANN.chain@chain.example' WHERE company_name = 'Other Company'", 0,
         "A client with this email address exists already."),
        ("UPDATE clients_client SET account_id = (SELECT id FROM accounts_user WHERE username = 'unlinked') "
         "WHERE company_name = 'Other Company'", 0, "Another client has this account already."),
        ("UPDATE accounts_user SET is_active = false WHERE username = 'support'", 2, "A support contact is an active support user."),
        ("UPDATE contracts_contract SET status = 'draft' WHERE name = 'Signed'", 2, "Sign the contract before planning its event."),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_by_now_is_refused_in_its_sentence(
    spoil: str, index: int, sentence: str, chain: tuple[Any, Any, Any], restored: Any
) -> None:
    row = chain[index]
    for later in reversed(chain[index:]):
        delete(later)
    with because("As it goes"), acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute(spoil)
        assert cursor.rowcount == 1
    count = len(entries(row))
    assert restored(row) == sentence
    assert stored(row) is None
    assert len(entries(row)) == count


def test_columns_that_came_and_went_since_are_no_hindrance(committed_world: World, run: Any, migrator: Any) -> None:
    event = committed_world.own_event
    with migrator.cursor() as cursor:
        cursor.execute("ALTER TABLE eecrm.events_event ADD COLUMN went text NOT NULL DEFAULT 'gone'")
        try:
            before, entry = stored(event), delete(event)
            assert entry.old["went"] == "gone"
            cursor.execute(
                "ALTER TABLE eecrm.events_event DROP COLUMN went, ADD COLUMN came integer NOT NULL DEFAULT 5"
            )
            run("restore", "event", str(event.pk), "--reason", WHY)
            assert before is not None
            assert stored(event) == before | {"version": before["version"] + 1}
            cursor.execute("SELECT came FROM eecrm.events_event WHERE id = %s", [event.pk])
            assert cursor.fetchall() == [(5,)]
        finally:
            cursor.execute("ALTER TABLE eecrm.events_event DROP COLUMN IF EXISTS went, DROP COLUMN IF EXISTS came")


def test_a_dry_run_tells_and_changes_nothing(chain: tuple[Any, Any, Any], run: Any) -> None:
    event = chain[2]
    entry = delete(event)
    said = run("restore", "event", str(event.pk), "--reason", WHY, "--dry-run")
    assert said.startswith(f"Nothing is changed yet. Restored: event {event.pk}, Over, as it was deleted on ")
    assert stored(event) is None
    assert last(event).pk == entry.pk
    with acting_as(Role.SUPERUSER):
        type(chain[1]).objects.filter(pk=chain[1].pk).delete()
    with pytest.raises(CommandError, match="Restore its contract first"):
        run("restore", "event", str(event.pk), "--reason", WHY, "--dry-run")


def test_without_a_person_the_command_acts_as_management(chain: tuple[Any, Any, Any], run: Any) -> None:
    delete(chain[2])
    run("restore", "event", str(chain[2].pk), "--reason", f"  {WHY} ")
    entry = last(chain[2])
    assert (entry.actor_id, entry.role, entry.channel, entry.reason) == (None, "eecrm_management", "command", WHY)


def test_a_superuser_may_be_named_too(chain: tuple[Any, Any, Any], run: Any) -> None:
    delete(chain[2])
    run("restore", "event", str(chain[2].pk), "--reason", WHY, "--as", "Superuser")
    assert (last(chain[2]).role, last(chain[2]).actor_name) == ("eecrm_superuser", "superuser")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["event", "{key}"], "the following arguments are required: --reason"),
        (["event", "{key}", "--reason", "  "], "Say why: --reason is a line of text."),
        (["event", "{key}", "--reason", "x" * 501], "A reason is a line of text in UTF-8 of at most 500 characters."),
        (["event", "{key}", "--reason", "a\nb"], "A reason is a line of text in UTF-8 of at most 500 characters."),
        (["event", "{key}", "--reason", WHY, "--as", "nobody"], "There is no account nobody."),
        (["event", "{key}", "--reason", WHY, "--as", "sales"], "--as sales: Your role may not restore a client."),
        (["event", "{key}", "--reason", WHY, "--as", "auditor"], "--as auditor: Your role may not restore a client."),
        (["event", "{key}", "--reason", WHY, "--as", "other_management"], "other_management isn't active: name somebody who is with --as."),
        (["user", "{key}", "--reason", WHY], "Only clients, contracts and events are restored from the trail."),
        (["event", "abc", "--reason", WHY], "argument NUMBER: write a whole number from 1 to "),
        (["event", "1" * 30, "--reason", WHY], "argument NUMBER: write a whole number from 1 to "),
        (["event", "987654321", "--reason", WHY], "The trail knows of no event 987654321 that was deleted."),
        (["event", "--reason", WHY], "Name what was deleted (restore client 7), or the entry of a change (restore --undo 812)."),
        (["--reason", WHY], "Name what was deleted (restore client 7), or the entry of a change (restore --undo 812)."),
        (["event", "{key}", "--undo", "5", "--reason", WHY],
         "Name what was deleted (restore client 7), or the entry of a change (restore --undo 812)."),
        (["--undo", "987654321", "--reason", WHY], "The trail has no entry 987654321."),
    ],
)  # fmt: skip
def test_every_error_of_the_command_is_a_sentence(
    arguments: list[str], sentence: str, world: World, chain: tuple[Any, Any, Any], run: Any
) -> None:
    with acting_as(Role.SUPERUSER):
        type(world.users["sales"]).objects.filter(username="other_management").update(is_active=False)
    delete(chain[2])
    with pytest.raises(CommandError) as refusal:
        run("restore", *[argument.format(key=chain[2].pk) for argument in arguments])
    assert sentence in str(refusal.value)
    assert stored(chain[2]) is None


def test_the_page_shows_what_comes_back_and_asks_why(chain: tuple[Any, Any, Any], visit: Any) -> None:
    manager, event = visit("management"), chain[2]
    page = restore_page(delete(event))
    shown = manager.get(page).content.decode()
    for words in ("<td>Over</td>", "<td>Closed</td>", "<td>Signed</td>", "<td>support</td>", 'name="change_reason"'):
        assert words in shown
    answer = manager.confirm(page, {"change_reason": " "})
    assert (answer.status_code, stored(event)) == (200, None)
    assert "This field is required." in answer.content.decode()
    answer = manager.confirm(page, {"change_reason": WHY}, follow=True)
    assert "The event Over is there again." in answer.content.decode()
    assert logged(event) == "Restored from the trail."
    assert "it needn&#x27;t be restored" in manager.get(page).content.decode()


def test_who_may_not_restore_finds_no_page(chain: tuple[Any, Any, Any], visit: Any) -> None:
    entry = delete(chain[2])
    page = restore_page(entry)
    for method in ("get", "post"):
        assert getattr(visit("auditor"), method)(page, {"change_reason": WHY}).status_code == 403
        for name in ("sales", "support", "partner"):
            assert "/login/" in getattr(visit(name), method)(page, {"change_reason": WHY}).url
    assert stored(chain[2]) is None
    details = f"/hidden-admin/audit/entry/{entry.pk}/change/"
    assert page not in visit("auditor").get(details).content.decode()
    assert page in visit("management").get(details).content.decode()
    assert visit("superuser").confirm(page, {"change_reason": WHY}).status_code == 302


def test_what_the_trail_knows_of_others_is_not_restored(world: World, visit: Any) -> None:
    entry = delete(world.users["other_management"])
    assert visit("superuser").confirm(restore_page(entry), {"change_reason": WHY}).status_code == 403
    assert visit("superuser").get(restore_page(entry).replace(str(entry.pk), "987654321")).status_code == 404
    made = restore_page(last(world.own_event, "insert"))
    answer = visit("management").confirm(made, {"change_reason": WHY})
    assert answer.context["problem"] == "Only what was deleted can be restored: this entry is about something else."


@pytest.mark.parametrize("role", [Role.SALES, Role.SUPPORT, Role.AUDITOR, Role.EXTERNAL])
def test_the_database_restores_for_nobody_else(role: str, chain: tuple[Any, Any, Any]) -> None:
    entry = delete(chain[2])
    with pytest.raises((CannotRestore, DatabaseError)), because(WHY), acting_as(role):
        restore(entry)
    with pytest.raises(CannotRestore, match="needs a reason"), acting_as(Role.MANAGEMENT):
        restore(entry)
    assert stored(chain[2]) is None
