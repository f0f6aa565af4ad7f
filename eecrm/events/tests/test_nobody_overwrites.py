"""A form of the admin site that was open while others worked (`managers.md`, "Nothing is overwritten")."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import Cover, ExternalIdentity, Mail, User
from audit.admin.page_versions import PAGE_VERSION_FIELD
from audit.models import Entry
from audit.tests.site_forms import Tab, form_on
from clients.models import Client
from conftest import API, Visitor, World, as_migrator, make_client, make_event, move_the_trail_here
from contracts.models import Contract
from events.models import Event

ADMIN = "/hidden-admin/"


def place(row: Any, page: str = "change") -> str:
    return f"{ADMIN}{row._meta.app_label}/{row._meta.model_name}/{row.pk}/{page}/"


def fresh(row: Any) -> Any:
    with acting_as(Role.SUPERUSER):
        return type(row)._default_manager.get(pk=row.pk)


def stored(model: Any, **filters: Any) -> list[Any]:
    with acting_as(Role.SUPERUSER):
        return list(model._default_manager.filter(**filters).order_by("-pk"))


def authors(row: Any) -> list[tuple[str, set[str]]]:
    """Who changed what of it, as the trail tells it."""
    with acting_as(Role.SUPERUSER):
        entries = Entry.objects.about(row).filter(operation="update").order_by("id")
        return [(one.actor_name, set(one.new) - {"version", "updated_at"}) for one in entries]


@pytest.fixture
def tabs(visit: Any) -> Any:
    """The same page in the browsers of two managers, both opened before either is sent."""
    return lambda path: (Tab(visit("management"), path), Tab(visit("other_management"), path))


def test_two_who_change_different_fields_both_keep_theirs(world: World, tabs: Any) -> None:
    first, second = tabs(place(world.own_client))
    assert first.send(company_name="Renamed").status_code == 302
    answer = second.send(last_name="Married")
    assert answer.status_code == 302
    page = second.browser.get(answer.url).content.decode()
    assert "Changed while you had the page open, and left like that: Company name." in page
    row = fresh(world.own_client)
    assert (row.company_name, row.last_name, row.version) == ("Renamed", "Married", 3)
    assert authors(row) == [("management", {"company_name"}), ("other_management", {"last_name"})]


def test_a_form_that_nobody_touched_writes_nothing(world: World, tabs: Any) -> None:
    for row in (world.own_client, world.own_draft, world.own_event, world.users["unlinked"]):
        first, second = tabs(place(row))
        with acting_as(Role.SUPERUSER):
            type(row)._default_manager.filter(pk=row.pk).update(
                **{"first_name" if isinstance(row, Client | User) else "name": "Elsewhere"}
            )
        assert first.send().status_code == second.send().status_code == 302
        assert len(authors(row)) == 1


def test_a_clash_tells_who_changed_what_and_keeps_what_was_typed(world: World, tabs: Any) -> None:
    first, second = tabs(place(world.own_client))
    first.send(company_name="Theirs", phone="+33199001235")
    answer = second.send(company_name="Mine", last_name="Also mine", change_reason="Heard so")
    content = answer.content.decode()
    assert answer.status_code == 200
    assert "Nothing is saved yet: Company name changed while you had the page open." in content
    changes = answer.context["changes"]
    assert [(one.person.text, one.entry.channel) for one in changes] == [("management", "admin")]
    assert {(one.label, one.before.text, one.after.text) for one in changes[0].differences if one.is_marked} == {
        ("company name", "Own Company", "Theirs"), ("phone", "+33199001234", "+33199001235"),
    }  # fmt: skip
    assert f"{changes[0].entry.at:%H:%M:%S} UTC" in content
    assert (second.form["company_name"], second.form["last_name"]) == (["Mine"], ["Also mine"])
    assert (second.form["phone"], second.form["change_reason"]) == (["+33199001235"], ["Heard so"])
    row = fresh(world.own_client)
    assert (row.company_name, row.last_name, row.version) == ("Theirs", "Doe", 2)
    # One more click, and no more.
    assert second.send().status_code == 302
    row = fresh(world.own_client)
    assert (row.company_name, row.last_name, row.phone) == ("Mine", "Also mine", "+33199001235")
    assert authors(row)[1:] == [("other_management", {"company_name", "last_name"})]


def test_both_who_changed_it_to_the_same_do_not_clash(world: World, tabs: Any) -> None:
    first, second = tabs(place(world.own_event))
    first.send(attendees="10")
    assert second.send(attendees="010", name="Longer").status_code == 302
    assert authors(world.own_event) == [("management", {"attendees"}), ("other_management", {"name"})]


def test_a_second_change_after_the_clash_page_is_a_clash_again(world: World, tabs: Any) -> None:
    first, second = tabs(place(world.own_event))
    first.send(location="Theirs")
    assert second.send(location="Mine").status_code == 200
    third = Tab(first.browser, first.path)
    third.send(location="Theirs again")
    assert second.send().status_code == 200
    assert fresh(world.own_event).location == "Theirs again"
    assert second.send().status_code == 302
    assert fresh(world.own_event).location == "Mine"


def test_a_change_through_the_api_is_kept_or_clashes(world: World, visit: Any, caller: Any) -> None:
    app = caller("sales")
    for typed, status in (({"last_name": "Form"}, 302), ({"company_name": "Form"}, 200)):
        tab = Tab(visit("management"), place(world.own_client))
        answer = app.patch(f"{API}clients/{world.own_client.pk}/", {"company_name": f"App {status}"})
        assert answer.status_code == 200
        page = tab.send(**typed)
        assert page.status_code == status
        assert fresh(world.own_client).company_name == f"App {status}"
    assert [(one.person.text, one.entry.channel) for one in page.context["changes"]] == [("sales", "api")]


def test_lines_that_the_api_wrote_are_not_touched_by_a_browser(world: World, visit: Any, caller: Any) -> None:
    app = caller("support")
    assert app.patch(f"{API}events/{world.own_event.pk}/", {"notes": "one\ntwo\n\nfour"}).status_code == 200
    tab = Tab(visit("management"), place(world.own_event))
    assert "\r\n" in tab.form["notes"][0]
    assert tab.send(attendees=12).status_code == 302
    assert fresh(world.own_event).notes == "one\ntwo\n\nfour"
    assert authors(world.own_event)[-1] == ("management", {"attendees"})


def test_line_breaks_are_stored_in_one_way(world: World, visit: Any, caller: Any) -> None:
    app, address = caller("management"), f"{API}events/{world.own_event.pk}/"
    assert app.patch(address, {"notes": "one\r\ntwo\rthree\nfour"}).json()["notes"] == "one\ntwo\nthree\nfour"
    typed = "\r\n".join(["x" * 99] * 100)  # 9,999 characters of the 10,000 that the field takes
    assert Tab(visit("management"), place(world.own_event)).send(notes=typed).status_code == 302
    assert fresh(world.own_event).notes == typed.replace("\r\n", "\n")
    assert app.patch(address, {"notes": typed.replace("\r\n", "\n"), "name": "Renamed"}).status_code == 200
    assert authors(world.own_event)[-1] == ("management", {"name"})
    longer = f"{typed}\r\nx"
    assert app.patch(address, {"notes": longer}).status_code == 400
    assert Tab(visit("management"), place(world.own_event)).send(notes=longer).status_code == 200


def test_a_time_keeps_the_microseconds_that_a_form_does_not_show(world: World, visit: Any) -> None:
    before = fresh(world.own_event).starts_at
    assert before.microsecond
    assert Tab(visit("management"), place(world.own_event)).send(location="Here").status_code == 302
    assert fresh(world.own_event).starts_at == before


def test_a_contact_who_may_not_be_chosen_any_more_stays(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=world.users["support"].pk).update(is_active=False)
    tab = Tab(visit("management"), place(world.own_event))
    assert tab.form["support_contact"] == [str(world.users["support"].pk)]
    assert tab.send(location="Here").status_code == 302
    assert fresh(world.own_event).support_contact_id == world.users["support"].pk
    assert Tab(tab.browser, tab.path).send(support_contact="").status_code == 302
    assert Tab(tab.browser, tab.path).send(support_contact=world.users["support"].pk).status_code == 200


def test_what_is_written_is_judged_with_what_others_wrote(world: World, tabs: Any) -> None:
    """A time that came from somebody else meanwhile, and one's own."""
    first, second = tabs(place(world.own_event))
    assert first.send(ends_at_0="2027-05-02", ends_at_1="10:00:00").status_code == 302
    page = second.send(starts_at_0="2027-06-02", starts_at_1="10:00:00")
    assert b"Nothing is saved yet: Ends at changed" in page.content
    page = second.send()
    assert page.status_code == 200
    assert b"An event ends after it starts." in page.content
    assert (second.form["starts_at_0"], second.form["ends_at_0"]) == (["2027-06-02"], ["02/05/2027"])


@pytest.mark.parametrize("mark", ["", "x", "of_another_page", "of_another_visitor"])
def test_a_form_that_does_not_say_what_it_showed_is_shown_again(mark: str, world: World, visit: Any) -> None:
    marks = {
        "of_another_page": form_on(visit("management").get(place(world.other_client)))[PAGE_VERSION_FIELD][0],
        "of_another_visitor": form_on(visit("other_management").get(place(world.own_client)))[PAGE_VERSION_FIELD][0],
    }
    tab = Tab(visit("management"), place(world.own_client))
    with acting_as(Role.SUPERUSER):
        Client.objects.filter(pk=world.own_client.pk).update(company_name="Renamed", phone="+33123456789")
    page = tab.send(last_name="Typed", **{PAGE_VERSION_FIELD: marks.get(mark, mark)})
    assert page.status_code == 200
    assert b"is out of date" in page.content
    assert '<th scope="row">Last name</th><td>Typed</td>' in page.content.decode()
    assert (tab.form["company_name"], tab.form["last_name"]) == (["Renamed"], [world.own_client.last_name])
    assert tab.send().status_code == 302
    row = fresh(world.own_client)
    assert (row.company_name, row.last_name, row.phone) == ("Renamed", world.own_client.last_name, "+33123456789")
    assert tab.browser.get(tab.path).status_code == 200


def test_a_form_from_before_the_data_were_put_back_is_shown_again(committed_world: World) -> None:
    """A key that was chosen on it may be another row's now."""
    browser = Visitor()
    browser.force_login(committed_world.users["management"])
    with acting_as(Role.SUPERUSER):
        lost = make_client("Lost", committed_world.users["sales"])
    change = Tab(browser, place(committed_world.own_client))
    adding = Tab(browser, f"{ADMIN}contracts/contract/add/")
    chosen = Tab(browser, f"{ADMIN}clients/client/")
    typed = {"client": lost.pk, "name": "Gala", "amount": "1.00", "payment_due": "2027-01-01"}
    with as_migrator() as migrator:  # what a copy of the data folder from before doesn't have
        cursor = migrator.cursor()
        cursor.execute(
            "UPDATE audit.entry SET at = at + interval '1 hour' WHERE id = (SELECT max(id) FROM audit.entry)"
        )
    for tab, fields in ((change, {"company_name": "Old page"}), (adding, typed)):
        page = tab.send(**fields)
        assert page.status_code == 200
        assert b"is out of date" in page.content
        assert tab.send().status_code == 302
    assert fresh(committed_world.own_client).company_name == "Own Company"
    assert [row.client_id for row in stored(Contract, name="Gala")] == [lost.pk]
    action = {"action": "delete_selected", "_selected_action": [str(lost.pk)]}
    answer = browser.post(chosen.path, chosen.form | action, follow=True)
    assert "Nothing was done: what you chose changed" in answer.content.decode()


@pytest.mark.parametrize("adding", ["by somebody else", "by oneself"])
def test_a_choice_that_came_after_the_page_is_asked_about_once(adding: str, committed_world: World) -> None:
    """If the data were put back in between, the key may be another row's. One's own addition, by `+`, is meant."""
    users = committed_world.users
    browser = Visitor()
    browser.force_login(users["management"])
    tab = Tab(browser, f"{ADMIN}contracts/contract/add/")
    by = users["other_management" if adding == "by somebody else" else "management"]
    with acting_as(Role.MANAGEMENT, user_id=by.pk):
        later = make_client("Later", users["sales"])
    sent = {"client": later.pk, "name": "Gala", "amount": "1.00", "payment_due": "2027-01-01"}
    if adding == "by somebody else":
        page = tab.send(**sent)
        assert page.status_code == 200
        assert "This was added by somebody else after the page was shown" in page.content.decode()
        sent = {}
    assert tab.send(**sent).status_code == 302
    assert [row.client_id for row in stored(Contract, name="Gala")] == [later.pk]


def test_after_the_restore_of_a_dump_forms_are_merged_as_ever(committed_world: World) -> None:
    """The entries of the other cluster have higher transaction ids than any of this one."""
    move_the_trail_here()
    browser = Visitor()
    browser.force_login(committed_world.users["management"])
    first, second, third = (Tab(browser, place(committed_world.own_client)) for _ in range(3))
    assert first.send(company_name="Renamed").status_code == 302
    assert second.send(last_name="Married").status_code == 302
    assert third.send(company_name="Mine").status_code == 200
    row = fresh(committed_world.own_client)
    assert (row.company_name, row.last_name) == ("Renamed", "Married")


@pytest.mark.parametrize("way", ["site", "api"])
def test_a_row_that_was_deleted_meanwhile_is_a_page_with_what_was_typed(
    way: str, world: World, visit: Any, caller: Any
) -> None:
    tab = Tab(visit("management"), place(world.own_event))
    if way == "site":
        assert (
            Tab(visit("other_management"), place(world.own_event, "delete")).send(change_reason="Twice").status_code
            == 302
        )
    else:
        assert caller("superuser").delete(f"{API}events/{world.own_event.pk}/").status_code == 204
    page = tab.send(notes="A long text", support_contact=world.users["other_support"].pk)
    content = page.content.decode()
    assert page.status_code == 409
    author = "other_management" if way == "site" else "superuser"
    assert f"{author} deleted it on" in content
    assert dict(page.context["typed"]) == {"Notes": "A long text", "Support contact": "other_support"}
    assert "A long text" in content
    (entry,) = stored(Entry, operation="delete", table_name="events_event")
    assert f"{ADMIN}audit/entry/{entry.pk}/change/" in content


def test_groups_are_put_together_membership_by_membership(world: World, visit: Any, tabs: Any) -> None:
    auditor = world.users["auditor"]
    with acting_as(Role.SUPERUSER):
        keys = {name: Group.objects.get_or_create(name=name)[0].pk for name in ("PII", "PII_VIEW", "Night shift")}
        auditor.groups.set([keys["PII"]])
    first, second = tabs(place(auditor))
    assert first.send(groups=[str(keys["PII"]), str(keys["PII_VIEW"])], job_title="Auditor").status_code == 302
    assert second.send(groups=[str(keys["Night shift"])], last_name="Renamed").status_code == 302
    with acting_as(Role.SUPERUSER):
        assert set(auditor.groups.values_list("name", flat=True)) == {"PII_VIEW", "Night shift"}
    row = fresh(auditor)
    assert (row.job_title, row.last_name) == ("Auditor", "Renamed")


def test_a_cover_that_ended_meanwhile_is_not_prolonged_by_a_stale_form(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        cover = Cover.objects.create(
            colleague=world.users["sales"], substitute=world.users["other_sales"], reason="Leave",
            ends_at=timezone.now() + timedelta(days=3),
        )  # fmt: skip
    tab = Tab(visit("management"), place(cover))
    with acting_as(Role.SUPERUSER):
        Cover.objects.filter(pk=cover.pk).end()
    ended = fresh(cover).ends_at
    assert tab.send().status_code == 302
    assert fresh(cover).ends_at == ended


def test_a_group_that_was_renamed_twice_is_a_clash(world: World, tabs: Any) -> None:
    with acting_as(Role.SUPERUSER):
        group = Group.objects.create(name="Night shift")
    first, second = tabs(place(group))
    assert first.send(name="Late shift").status_code == 302
    assert second.send(name="Early shift").status_code == 200
    assert fresh(group).name == "Late shift"
    assert second.send().status_code == 302
    assert fresh(group).name == "Early shift"


# Rows below the account's own fields


@pytest.fixture
def provided(settings: Any) -> None:
    settings.OIDC_ISSUER = "https://provider.example"


def bind(user: User, subject: str) -> ExternalIdentity:
    with acting_as(Role.SUPERUSER):
        return ExternalIdentity.objects.create(user=user, issuer="https://provider.example", subject=subject)


def subjects() -> list[str]:
    return list(ExternalIdentity.objects.values_list("subject", flat=True))


def test_a_second_identity_tells_of_the_first(world: World, provided: None, visit: Any) -> None:
    first, second = (Tab(visit("superuser"), place(world.users["sales"])) for _ in range(2))
    assert first.send(**{"identity-0-subject": "first"}).status_code == 302
    page = second.send(**{"identity-0-subject": "second"}, last_name="Renamed")
    assert page.status_code == 200
    assert b"Another one was added meanwhile" in page.content
    assert {one.person.text for one in page.context["changes"]} == {"superuser"}
    assert "<td><span>first</span></td>" in page.content.decode()
    assert (second.form["identity-0-subject"], second.form["last_name"]) == (["second"], ["Renamed"])
    assert subjects() == ["first"]


def test_the_same_identity_twice_is_one(world: World, provided: None, visit: Any) -> None:
    first, second = (Tab(visit("superuser"), place(world.users["sales"])) for _ in range(2))
    assert first.send(**{"identity-0-subject": "same"}).status_code == 302
    assert second.send(**{"identity-0-subject": "same"}, last_name="Renamed").status_code == 302
    assert (subjects(), fresh(world.users["sales"]).last_name) == (["same"], "Renamed")


def test_an_identity_that_was_taken_away_is_not_asked_for(world: World, provided: None, tabs: Any) -> None:
    bind(world.users["sales"], "old")
    first, second = tabs(place(world.users["sales"]))
    third = Tab(second.browser, second.path)
    assert first.send(**{"identity-0-DELETE": "on"}).status_code == 302
    bind(world.users["sales"], "new")
    assert second.send(**{"identity-0-DELETE": "on"}).status_code == 302
    assert third.send(last_name="Renamed").status_code == 302
    assert (subjects(), fresh(world.users["sales"]).last_name) == (["new"], "Renamed")


# Deletions, and actions on several rows


@pytest.mark.parametrize("way", ["site", "api"])
def test_a_deletion_that_was_confirmed_of_another_state_asks_again(
    way: str, world: World, visit: Any, caller: Any
) -> None:
    event = make_free_event(world)
    tab = Tab(visit("management"), place(event, "delete"))
    if way == "site":
        Tab(visit("other_management"), place(event)).send(location="New place")
    else:
        caller("superuser").patch(f"{API}events/{event.pk}/", {"location": "New place"})
    page = tab.send(change_reason="Cancelled")
    assert page.status_code == 200
    assert b"Nothing was done, because something has changed" in page.content
    assert b"New place" in page.content
    assert tab.form["change_reason"] == ["Cancelled"]
    assert fresh(event).location == "New place"
    assert tab.send().status_code == 302
    assert not stored(Event, pk=event.pk)
    assert stored(Entry, operation="delete")[0].reason == "Cancelled"


def make_free_event(world: World) -> Event:
    with acting_as(Role.SUPERUSER):
        return make_event(world.own_signed, "Free", None)


def test_a_deletion_without_its_page_asks_first(world: World, visit: Any) -> None:
    event = make_free_event(world)
    page = visit("management").post(place(event, "delete"), {"post": "yes"})
    assert page.status_code == 200
    assert stored(Event, pk=event.pk)


def test_a_group_with_a_new_member_is_not_deleted_as_it_was_confirmed(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        group = Group.objects.create(name="Night shift")
    tab = Tab(visit("management"), place(group, "delete"))
    with acting_as(Role.SUPERUSER):
        world.users["sales"].groups.add(group)
    assert tab.send().status_code == 200
    assert stored(Group, pk=group.pk)
    assert tab.send().status_code == 302
    assert not stored(Group, pk=group.pk)


def test_an_action_does_nothing_to_rows_that_changed_since_the_list(world: World, visit: Any) -> None:
    person = world.users["unlinked"]
    tab = Tab(visit("management"), ADMIN + "accounts/user/")
    Tab(visit("other_management"), place(person)).send(job_title="Lead")
    chosen = {
        "action": "send_reset",
        "_selected_action": [str(person.pk), str(world.users["partner"].pk)],
        "index": "0",
    }
    answer = tab.browser.post(tab.path, tab.form | chosen, follow=True)
    content = answer.content.decode()
    assert "Nothing was done: what you chose changed after the list was shown." in content
    assert "Other_management changed unlinked at" in content
    assert not stored(Mail, kind=Mail.Kind.PASSWORD_RESET)
    asked = tab.browser.post(tab.path, form_on(answer) | chosen, follow=True)
    tab.browser.post(tab.path, form_on(asked))
    assert len(stored(Mail, kind=Mail.Kind.PASSWORD_RESET)) == 2


def test_an_action_without_the_page_of_its_list_does_nothing(world: World, visit: Any) -> None:
    chosen = {"action": "send_reset", "_selected_action": [world.users["sales"].pk], PAGE_VERSION_FIELD: ""}
    assert visit("management").post(ADMIN + "accounts/user/", chosen).status_code == 302
    assert not stored(Mail, kind=Mail.Kind.PASSWORD_RESET)


def test_all_rows_of_a_list_are_those_that_it_had(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        row = make_client("Chosen", world.users["sales"])
    tab = Tab(visit("superuser"), ADMIN + "clients/client/?q=Chosen")
    with acting_as(Role.SUPERUSER):
        make_client("Chosen too", world.users["sales"])
    form = tab.form | {
        "action": "delete_selected",
        "select_across": "1",
        "index": "0",
        "_selected_action": [str(row.pk)],
    }
    answer = tab.browser.post(tab.path, form, follow=True)
    assert "Nothing was done" in answer.content.decode()
    asked = tab.browser.post(
        tab.path, form | {PAGE_VERSION_FIELD: form_on(tab.browser.get(tab.path))[PAGE_VERSION_FIELD]}
    )
    assert asked.status_code == 200
    assert b"Chosen too" in asked.content


@pytest.mark.parametrize("way", ["changed", "deleted"])
def test_several_deletions_that_were_confirmed_are_those_that_happen(way: str, world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        rows = [make_client(f"Chosen {number}", world.users["sales"]) for number in range(2)]
    tab = Tab(visit("superuser"), ADMIN + "clients/client/")
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk) for row in rows], "index": "0"}
    confirmation = form_on(tab.browser.post(tab.path, tab.form | chosen))
    with acting_as(Role.SUPERUSER):
        if way == "changed":
            Client.objects.filter(pk=rows[0].pk).update(first_name="Other")
        else:
            Client.objects.filter(pk=rows[0].pk).delete()
    again = tab.browser.post(tab.path, confirmation)
    assert again.status_code == 200
    assert b"Nothing was done, because something has changed" in again.content
    assert stored(Client, pk=rows[1].pk)
    asked = form_on(again)
    assert tab.browser.post(tab.path, asked).status_code == 302
    assert not stored(Client, pk__in=[row.pk for row in rows])
