"""Errors of PostgreSQL, real ones, as statuses and sentences."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import ProtectedError
from django_otp.plugins.otp_static.models import StaticDevice

from access.database import acting_as
from access.policy import Role
from access.refusals import (
    BUSY,
    DISK_FULL,
    FAILING,
    OVERLOADED,
    READ_ONLY,
    STATEMENT_TIMED_OUT,
    UNAVAILABLE,
    Refusal,
    refusal_of,
)
from conftest import World, make_client, make_contract


def refused(action: Callable[[], Any]) -> Refusal | None:
    """How the error of this action, done with the superuser's rights, would be answered."""
    with pytest.raises((DatabaseError, ProtectedError)) as caught, transaction.atomic(), acting_as(Role.SUPERUSER):
        action()
    return refusal_of(caught.value)


def sql(statement: str) -> Callable[[], Any]:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return run


def test_a_declared_constraint_speaks_its_own_sentence(world: World) -> None:
    assert refused(lambda: make_contract(world.own_client, "Free", amount=0)) == (
        400, "invalid", "contract_amount_positive", "The amount of a contract is positive.",
    )  # fmt: skip
    again = refused(lambda: make_client("Twin", world.users["sales"], email=world.own_client.email.upper()))
    assert again == (409, "duplicate", "client_email_unique", "A client with this email address exists already.")


def test_a_column_that_is_unique_by_itself_is_told_by_its_name(world: World) -> None:
    account = world.users["partner"].pk
    statement = (
        f"UPDATE clients_client SET account_id = {account} WHERE id IN ({world.own_client.pk}, {world.other_client.pk})"
    )
    refusal = refused(sql(statement))
    assert refusal is not None
    assert refusal[:2] == (409, "duplicate")
    assert refusal.sentence == "Another client has this account already."


def test_an_undeclared_unique_index_has_a_plain_sentence(world: World) -> None:
    user = world.users["sales"].pk
    with pytest.raises(DatabaseError) as caught, transaction.atomic():  # second factors are the login role's
        for _ in range(2):
            StaticDevice.objects.create(user_id=user, name="")
    assert refusal_of(caught.value) == (409, "duplicate", "second_factor_one_set_of_codes", "This exists already.")


def test_a_save_that_reaches_no_row_says_that_it_is_gone(world: World) -> None:
    draft = world.own_draft
    with acting_as(Role.SUPERUSER):
        type(draft).objects.filter(pk=draft.pk).delete()
    draft.name = "Too late"
    refusal = refused(lambda: draft.save(update_fields=["name"]))
    assert refusal is not None
    assert refusal[:3] == (409, "conflict", "row_gone")


def test_a_trigger_speaks_its_rule(world: World) -> None:
    assert refused(sql(f"UPDATE clients_client SET status = 'prospect' WHERE id = {world.own_client.pk}")) == (
        409, "conflict", "client_never_turns_back", "A client never becomes a prospect again.",
    )  # fmt: skip


def test_a_rule_that_no_app_declares_is_a_conflict_all_the_same(world: World) -> None:
    raised = sql("DO $$BEGIN RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'of_nobody'; END$$")
    assert refused(raised) == (409, "conflict", "of_nobody", "The database refuses this in its present state.")


def test_what_others_hang_on_is_told_by_name_from_python_and_from_sql(world: World) -> None:
    sentence = "This client can't be deleted while it has contracts."
    assert refused(world.own_client.delete) == (409, "conflict", "client_has_contracts", sentence)
    raw = refused(sql(f"DELETE FROM clients_client WHERE id = {world.own_client.pk}"))
    assert raw == (409, "conflict", "client_has_contracts", sentence)
    assert refused(world.users["sales"].delete) == (
        409, "conflict", "user_has_clients", "This user can't be deleted while it has clients.",
    )  # fmt: skip
    assert refused(world.users["support"].delete).rule == "user_has_events"  # type: ignore[union-attr]  # None fails too


def test_a_parent_that_went_away_is_a_conflict(world: World) -> None:
    session = "INSERT INTO accounts_tokensession (id, user_id, refresh_jti, rotated_at, expires_at, user_agent) VALUES"
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        sql(f"{session} (gen_random_uuid(), 999999999, gen_random_uuid(), now(), now(), '')")()
    refusal = refusal_of(caught.value)
    assert refusal is not None
    assert (refusal.status, refusal.sentence) == (409, "What this belongs to was deleted a moment ago.")


def test_a_refused_privilege_is_a_403(world: World) -> None:
    refusal = refused(sql("TRUNCATE clients_client CASCADE"))
    assert refusal == (403, "permission_denied", "database", "The database refuses this to your role.")


def test_a_value_out_of_range_is_a_400(world: World) -> None:
    refusal = refused(sql("SELECT 99999999999::int"))
    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "invalid")


def test_a_statement_that_takes_too_long_is_told_so(world: World) -> None:
    assert refused(sql("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)")) == STATEMENT_TIMED_OUT


def test_a_table_that_another_transaction_locks_is_busy(committed_world: World, migrator: Any) -> None:
    migrator.autocommit = False
    migrator.cursor().execute("LOCK clients_client")
    assert refused(sql("SET LOCAL lock_timeout = 1; SELECT FROM clients_client")) == BUSY


def test_a_transaction_that_takes_no_changes_is_told_so(world: World) -> None:
    assert refused(sql("SET TRANSACTION READ ONLY; DELETE FROM events_event")) == READ_ONLY


# Raised inside PostgreSQL, since a test can't fill a disk or break a server in passing. All of PostgreSQL's appendix A that
# tells of the server's state.
STATES = {
    UNAVAILABLE: "08000 08003 08006 08P01 55000 57000 57P01 57P02 57P03 57P04 57P05",
    READ_ONLY: "25006",
    STATEMENT_TIMED_OUT: "57014 25P03 25P04",
    BUSY: "40001 40P01 40003 55006 55P03",
    OVERLOADED: "53000 53200 53300 53400",
    DISK_FULL: "53100",
    FAILING: "58000 58030 58P01 58P02 F0000 F0001 XX000 XX001 XX002",
}


@pytest.mark.parametrize(
    ("state", "answer"), [(state, answer) for answer, states in STATES.items() for state in states.split()]
)
def test_each_state_of_the_server_has_an_answer_of_its_own(state: str, answer: Refusal, db: None) -> None:
    assert refused(sql(f"DO $$ BEGIN RAISE 'trouble' USING ERRCODE = '{state}'; END $$")) == answer


def test_what_an_operator_has_to_mend_is_asked_for_again_after_a_minute() -> None:
    assert {answer.code for answer in STATES if answer.retry_after == 60} == {"disk_full", "failing"}
    assert {answer.retry_after for answer in STATES} == {1, 60}


def test_a_value_that_is_too_large_for_an_index_is_a_400(world: World) -> None:
    refusal = refused(sql("DO $$ BEGIN RAISE 'index row size exceeds maximum' USING ERRCODE = '54000'; END $$"))
    assert refusal == (400, "invalid", "value", "A value is larger than can be stored.")


@pytest.mark.parametrize("state", ["P0001", "25P02", "0A000", "42P01"])
def test_a_mistake_of_the_code_is_no_state_of_the_server(state: str, db: None) -> None:
    assert refused(sql(f"DO $$ BEGIN RAISE 'a bug' USING ERRCODE = '{state}'; END $$")) is None


def connect(**parameters: Any) -> Callable[[], Any]:
    def run() -> None:
        wrapper = connection.copy()
        wrapper.settings_dict = connection.settings_dict | parameters
        try:
            wrapper.ensure_connection()
        finally:
            wrapper.close()

    return run


def test_a_server_that_nobody_finds_cannot_be_reached(db: None) -> None:
    assert refused(connect(HOST="127.0.0.1", PORT="1")) == UNAVAILABLE


def test_a_connection_that_broke_cannot_be_reached(in_the_open: None) -> None:
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        sql("SELECT pg_terminate_backend(pg_backend_pid())")()
    assert refusal_of(caught.value) == UNAVAILABLE
    with pytest.raises(InterfaceError) as caught:
        connection.connection.close()
        sql("SELECT 1")()
    assert refusal_of(caught.value) == UNAVAILABLE


def test_an_answer_that_the_library_can_make_nothing_of_is_a_connection_that_broke() -> None:
    """psycopg2 has no class for it: "error with status PGRES_TUPLES_OK and no message from the libpq"."""
    error = DatabaseError("no message from the libpq")
    error.__cause__ = psycopg2.DatabaseError("no message from the libpq")
    assert refusal_of(error) == UNAVAILABLE


@pytest.mark.parametrize("error", [ValueError("a bug"), DatabaseError("no cause")])
def test_what_is_nobodys_fault_but_the_codes_has_no_answer(error: Exception) -> None:
    assert refusal_of(error) is None


def test_a_wrong_statement_is_the_codes_fault_too(world: World) -> None:
    assert refused(sql("SELECT nothing FROM nowhere")) is None


def test_a_protected_row_of_an_unknown_kind_is_still_in_use(world: World) -> None:
    refusal = refusal_of(ProtectedError("Cannot delete: something", {world.own_draft}))
    assert refusal == (409, "conflict", "in_use", "This is still in use.")
