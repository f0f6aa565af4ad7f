"""Errors of PostgreSQL, real ones, as statuses and sentences."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import ProtectedError
from django_otp.plugins.otp_static.models import StaticDevice

from access.database import acting_as
from access.policy import Role
from access.refusals import Refusal, refusal_of
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
    refusal = refused(sql("UPDATE accounts_user SET username = 'sales' WHERE username = 'support'"))
    assert refusal is not None
    assert refusal[:2] == (409, "duplicate")
    assert refusal.sentence == "Another user has this username already."


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


def test_a_statement_that_takes_too_long_is_a_503(world: World) -> None:
    refusal = refused(sql("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)"))
    assert refusal is not None
    assert (refusal.status, refusal.code) == (503, "busy")


def test_a_lost_connection_is_a_503() -> None:
    refusal = refusal_of(OperationalError("server closed the connection unexpectedly"))
    assert refusal is not None
    assert (refusal.status, refusal.code) == (503, "unavailable")


@pytest.mark.parametrize("error", [ValueError("a bug"), DatabaseError("no cause")])
def test_what_is_nobodys_fault_but_the_codes_has_no_answer(error: Exception) -> None:
    assert refusal_of(error) is None


def test_a_wrong_statement_is_the_codes_fault_too(world: World) -> None:
    assert refused(sql("SELECT nothing FROM nowhere")) is None


def test_a_protected_row_of_an_unknown_kind_is_still_in_use(world: World) -> None:
    refusal = refusal_of(ProtectedError("Cannot delete: something", {world.own_draft}))
    assert refusal == (409, "conflict", "in_use", "This is still in use.")
