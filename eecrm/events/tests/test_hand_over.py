"""Somebody leaves or moves: what they looked after goes to a successor, all of it or nothing."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection

from access.database import acting_as, because
from access.policy import Role
from accounts.models import User
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from audit.models import Entry
from clients.models import Client
from conftest import API, PATIENCE, Caller, World, make_client, make_contract, make_event
from events.hand_over import hand_over
from events.models import Event
from events.tests.trail import last, logged, stored

WHY = "Leaves on Friday"
# What tests in the open commit stays on the trail.
IN_THE_OPEN = "At the same moment"
ACCOUNT = "/hidden-admin/accounts/user/{}/change/"


def page_of(user: User) -> str:
    return f"/hidden-admin/events/event/hand-over/{user.pk}/"


@pytest.fixture
def office(world: World) -> World:
    """Sales looks after three clients with two drafts and two coming events, support after two events and a closed one."""
    with acting_as(Role.SUPERUSER):
        for number in range(2):
            make_client(f"More {number}", world.users["sales"])
        make_contract(world.own_client, "Second draft")
        make_event(world.own_signed, "Running", world.users["support"], status="in_progress")
        make_event(world.own_signed, "Over", world.users["support"], status="closed")
    return world


def contacts(model: Any, field: str) -> dict[str, int]:
    with acting_as(Role.SUPERUSER):
        counts: dict[str, int] = {}
        for name in model.objects.values_list(f"{field}__username", flat=True):
            counts[name] = counts.get(name, 0) + 1
        return counts


def told(reason: str = WHY) -> list[Entry]:
    with acting_as(Role.SUPERUSER):
        return list(Entry.objects.filter(reason=reason).order_by("id"))


def test_all_clients_of_sales_go_to_the_successor_and_contracts_and_events_follow(
    office: World, run: Any, caller: Any
) -> None:
    said = run("hand_over", "sales", "other_sales", "--reason", WHY, "--as", "management")
    assert said == "3 clients, 2 unsigned contracts and 2 coming events went from sales to other_sales.\n"
    assert contacts(Client, "sales_contact") == {"other_sales": 4}
    entries = told()
    assert {(one.table_name, one.actor_name, one.channel) for one in entries} == {
        ("clients_client", "management", "command")
    }
    assert (len(entries), len({one.transaction_id for one in entries})) == (3, 1)
    assert set(entries[0].new) == {"sales_contact_id", "version", "updated_at"}
    path = f"{API}contracts/{office.own_draft.pk}/"
    assert caller("other_sales").patch(path, {"name": "Mine now"}).status_code == 200
    assert caller("sales").patch(path, {"name": "Not mine"}).status_code == 403


def test_the_coming_events_of_support_go_to_the_successor_and_closed_ones_stay(office: World, run: Any) -> None:
    assert "2 coming events went from support to other_support." in run(
        "hand_over", "support", "other_support", "--reason", WHY
    )
    assert contacts(Event, "support_contact") == {"support": 1, "other_support": 3}
    with acting_as(Role.SUPERUSER):
        assert Event.objects.get(support_contact__username="support").status == "closed"
    assert {(one.table_name, one.actor_id, one.role) for one in told()} == {("events_event", None, "eecrm_management")}


def test_the_account_is_deactivated_afterwards_in_the_same_transaction(office: World, run: Any) -> None:
    sales = Caller.as_user(office.users["sales"])
    assert sales.get(API + "clients/").status_code == 200
    said = run("hand_over", "sales", "other_sales", "--reason", WHY, "--deactivate")
    assert said.endswith("went from sales to other_sales. sales is deactivated.\n")
    assert sales.get(API + "clients/").status_code == 401
    assert len({one.transaction_id for one in told()}) == 1
    assert {one.table_name for one in told()} >= {"clients_client", "accounts_user", "accounts_tokensession"}


def test_a_dry_run_only_tells(office: World, run: Any) -> None:
    said = run("hand_over", "sales", "other_sales", "--reason", WHY, "--deactivate", "--dry-run")
    assert said == (
        "Nothing is changed yet. 3 clients, 2 unsigned contracts and 2 coming events would go from sales to other_sales."
        " sales would be deactivated.\n"
    )
    assert contacts(Client, "sales_contact") == {"sales": 3, "other_sales": 1}
    assert told() == []


def test_who_has_moved_to_another_role_hands_over_what_is_left(office: World, run: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(role="support")
    run("hand_over", "sales", "other_sales", "--reason", WHY)
    assert contacts(Client, "sales_contact") == {"other_sales": 4}
    assert run("hand_over", "sales", "other_support", "--reason", WHY).startswith(
        "0 clients, 0 unsigned contracts and 0"
    )


REFUSALS = [
    (["sales", "sales"], "Nobody hands over to themselves: choose somebody else."),
    (["sales", "support"], "support can't look after what sales does: choose a colleague of the same role."),
    (["sales", "management"], "management can't look after what sales does: choose a colleague of the same role."),
    (["sales", "promoted"], "promoted can't look after what sales does: choose a colleague of the same role."),
    (["sales", "inactive"], "inactive isn't active: choose an active colleague."),
    (["management", "other_management"], "other_management can't look after what management does: choose a colleague of the same role."),
    (["sales", "nobody"], "There is no account nobody."),
    (["nobody", "sales"], "There is no account nobody."),
]  # fmt: skip


@pytest.mark.parametrize(("people", "sentence"), REFUSALS)
def test_to_whom_it_cannot_go_is_said(people: list[str], sentence: str, office: World, run: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("inactive", role=Role.SALES, is_active=False)
        User.objects.create_user("promoted", role=Role.SALES, is_superuser=True)
    with pytest.raises(CommandError) as refusal:
        run("hand_over", *people, "--reason", WHY)
    assert str(refusal.value) == sentence
    assert told() == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "the following arguments are required: --reason"),
        (["--reason", " "], "Say why: --reason is a line of text."),
        (["--reason", WHY, "--as", "sales"], "--as sales: Your role may not assign a client."),
        (["--reason", WHY, "--as", "auditor"], "--as auditor: Your role may not assign a client."),
        (["--reason", WHY, "--as", "nobody"], "There is no account nobody."),
    ],
)
def test_a_manager_does_it_for_a_reason(options: list[str], sentence: str, office: World, run: Any) -> None:
    with pytest.raises(CommandError) as refusal:
        run("hand_over", "sales", "other_sales", *options)
    assert sentence in str(refusal.value)
    assert contacts(Client, "sales_contact") == {"sales": 3, "other_sales": 1}


def test_what_the_database_refuses_undoes_all_of_it(office: World, run: Any) -> None:
    """A manager doesn't deactivate a superuser, nor themselves."""
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_superuser=True)
    with pytest.raises(CommandError, match="Only a superuser"):
        run("hand_over", "sales", "other_sales", "--reason", WHY, "--deactivate", "--as", "management")
    assert contacts(Client, "sales_contact") == {"sales": 3, "other_sales": 1}
    run("hand_over", "sales", "other_sales", "--reason", WHY, "--deactivate", "--as", "superuser")


def test_the_page_of_an_account_leads_to_the_hand_over(office: World, visit: Any) -> None:
    users, manager = office.users, visit("management")
    link = page_of(users["sales"])
    assert link in manager.get(ACCOUNT.format(users["sales"].pk)).content.decode()
    assert page_of(users["unlinked"]) not in manager.get(ACCOUNT.format(users["unlinked"].pk)).content.decode()
    assert link not in visit("auditor").get(ACCOUNT.format(users["sales"].pk)).content.decode()
    shown = manager.get(link).content.decode()
    assert '<th scope="row">Sales</th><td>3</td><td>2</td><td>2</td>' in shown
    assert '<th scope="row">Support</th><td>0</td><td>0</td><td>0</td>' in shown
    assert "Other_Sales Person (other_sales, Sales)" in shown
    assert "Support Person" not in shown


def test_a_manager_hands_over_in_the_admin_site(office: World, visit: Any, caplog: Any) -> None:
    manager, users = visit("management"), office.users
    form = {"successor": users["other_sales"].pk, "change_reason": WHY, "deactivates": "on"}
    answer = manager.confirm(page_of(users["sales"]), form, follow=True)
    said = "3 clients, 2 unsigned contracts and 2 coming events went from sales to other_sales."
    assert f"{said} The account is deactivated." in answer.content.decode()
    assert answer.request["PATH_INFO"] == ACCOUNT.format(users["sales"].pk)
    assert {(one.channel, one.actor_name) for one in told()} == {("admin", "management")}
    assert logged(users["sales"]) == said
    event = next(one for one in caplog.records if getattr(one, "change", "") == "handed over")
    assert (event.account, event.successor, event.clients, event.is_active) == (
        users["sales"].pk, users["other_sales"].pk, 3, False,
    )  # fmt: skip
    assert contacts(Client, "sales_contact") == {"other_sales": 4}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"change_reason": " "}, "change_reason"),
        ({"change_reason": "x" * 501}, "change_reason"),
        ({"successor": ""}, "successor"),
        ({"successor": "support"}, "successor"),
        ({"successor": "sales"}, "successor"),
        ({"successor": "999999999999999999999999"}, "successor"),
        ({"successor": "\x00"}, "successor"),
    ],
)
def test_the_form_says_what_is_wrong_with_it(change: dict[str, str], field: str, office: World, visit: Any) -> None:
    form = {"successor": str(office.users["other_sales"].pk), "change_reason": WHY} | change
    form["successor"] = str(getattr(office.users.get(form["successor"]), "pk", form["successor"]))
    answer = visit("management").confirm(page_of(office.users["sales"]), form)
    assert (answer.status_code, list(answer.context["form"].errors)) == (200, [field])
    assert told() == []


def test_the_rules_of_accounts_hold_on_the_page(office: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_superuser=True)
    form = {"successor": office.users["other_sales"].pk, "change_reason": WHY, "deactivates": "on"}
    answer = visit("management").confirm(page_of(office.users["sales"]), form)
    assert answer.context["form"].non_field_errors() == [
        "Only a superuser makes, changes or deletes a superuser, with its groups, its identity and its second factor."
    ]
    assert contacts(Client, "sales_contact") == {"sales": 3, "other_sales": 1}


def test_who_may_not_assign_finds_no_page(office: World, visit: Any) -> None:
    page, form = page_of(office.users["sales"]), {"successor": office.users["other_sales"].pk, "change_reason": WHY}
    for method in ("get", "post"):
        assert getattr(visit("auditor"), method)(page, form).status_code == 403
        assert "/login/" in getattr(visit("sales"), method)(page, form).url
    assert contacts(Client, "sales_contact") == {"sales": 3, "other_sales": 1}
    assert visit("management").get("/hidden-admin/events/event/hand-over/987654321/").status_code == 404
    assert "nobody to hand over to" in visit("management").get(page_of(office.users["unlinked"])).content.decode()


def moves(world: World, leaver: str, successor: str, *, deactivates: bool) -> Any:
    def move() -> Any:
        with because(IN_THE_OPEN), acting_as(Role.MANAGEMENT):
            return hand_over(
                User.objects.get(username=leaver), User.objects.get(username=successor), deactivates=deactivates
            )

    return alone(move)


def test_a_client_that_is_being_made_meanwhile_goes_over_too(committed_world: World, migrator: Any) -> None:
    """Its maker hasn't committed when the hand-over starts: that waits for it."""
    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with acting_as(Role.SUPERUSER):
            made = make_client("Last minute", committed_world.users["sales"])
            moved = pool.submit(moves(committed_world, "sales", "other_sales", deactivates=True))
            wait_for_a_blocked_statement(cursor)
        assert moved.result(timeout=PATIENCE).clients == 2
    row = stored(made)
    assert row is not None
    assert row["sales_contact_id"] == committed_world.users["other_sales"].pk


@pytest.mark.parametrize(("deactivates", "status"), [(True, 409), (False, 201)])
def test_a_client_that_is_made_a_moment_later_waits(
    deactivates: bool, status: int, committed_world: World, migrator: Any
) -> None:
    caller = Caller.as_user(committed_world.users["management"])
    body = {"company_name": "Late", "first_name": "A", "last_name": "B", "email": "late@late.example",
            "sales_contact_id": committed_world.users["sales"].pk}  # fmt: skip
    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with because(IN_THE_OPEN), acting_as(Role.MANAGEMENT):
            leaver, successor = (User.objects.get(username=name) for name in ("sales", "other_sales"))
            assert hand_over(leaver, successor, deactivates=deactivates).clients == 1
            answer = pool.submit(alone(partial(caller.post, API + "clients/", body)))
            wait_for_a_blocked_statement(cursor)
        response = answer.result(timeout=PATIENCE)
    assert response.status_code == status, response.content
    if status == 409:
        assert response.json()["rule"] == "client_sales_contact_active"


def test_an_event_that_is_closed_meanwhile_stays(committed_world: World, migrator: Any) -> None:
    event = committed_world.own_event
    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with acting_as(Role.SUPERUSER):
            Event.objects.filter(pk=event.pk).update(status="closed")
            moved = pool.submit(moves(committed_world, "support", "other_support", deactivates=False))
            wait_for_a_blocked_statement(cursor)
        assert moved.result(timeout=PATIENCE).coming_events == 0
    row = stored(event)
    assert row is not None
    assert row["support_contact_id"] == committed_world.users["support"].pk


def test_a_client_that_is_assigned_elsewhere_meanwhile_stays_there_without_a_deadlock(
    committed_world: World, migrator: Any
) -> None:
    """The assignment holds the client and then wants the leaver's account; so does the hand-over, in that order."""
    client, users = committed_world.other_client, committed_world.users
    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with acting_as(Role.SUPERUSER):
            Client.objects.select_for_update().get(pk=client.pk)
            moved = pool.submit(moves(committed_world, "other_sales", "sales", deactivates=False))
            wait_for_a_blocked_statement(cursor)
            Client.objects.filter(pk=client.pk).update(sales_contact=users["sales"])
            Client.objects.filter(pk=client.pk).update(sales_contact=users["other_sales"])
        assert moved.result(timeout=PATIENCE).clients == 1


def test_two_hand_overs_at_once_take_turns(committed_world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("third", role=Role.SALES)
    for _ in range(5):
        with ThreadPoolExecutor() as pool:
            both = [
                pool.submit(moves(committed_world, "sales", name, deactivates=False))
                for name in ("other_sales", "third")
            ]
            outcome = sorted(one.result(timeout=PATIENCE).clients for one in both)
        assert outcome[0] == 0 or len(set(outcome)) == 1, outcome
        with acting_as(Role.SUPERUSER):
            assert not Client.objects.filter(sales_contact__username="sales").exists()
            Client.objects.filter(pk=committed_world.own_client.pk).update(sales_contact=committed_world.users["sales"])
    connection.close()
    assert last(committed_world.own_client).operation == "update"
