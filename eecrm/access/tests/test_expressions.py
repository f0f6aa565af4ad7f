"""Nothing in an expression of a SELECT runs a text as a query, writes what outlives it, or acts in a role that may not."""

import re
from typing import Any

import pytest
from django.db import connection

from access.database import database_role
from access.policy import Role
from conftest import World

REFUSED, UNKNOWN = "42501", "42883"

# By the function that each of them calls. A build of PostgreSQL may lack one: then it is unknown there.
CALLS = {
    "query_to_xml(text,boolean,boolean,text)": "query_to_xml('SELECT 1', true, false, '')",
    "query_to_xmlschema(text,boolean,boolean,text)": "query_to_xmlschema('SELECT 1', true, false, '')",
    "query_to_xml_and_xmlschema(text,boolean,boolean,text)": "query_to_xml_and_xmlschema('SELECT 1', true, false, '')",
    "cursor_to_xml(refcursor,integer,boolean,boolean,text)": "cursor_to_xml('x', 1, true, false, '')",
    "cursor_to_xmlschema(refcursor,boolean,boolean,text)": "cursor_to_xmlschema('x', true, false, '')",
    "table_to_xml(regclass,boolean,boolean,text)": "table_to_xml('accounts_user', true, false, '')",
    "table_to_xmlschema(regclass,boolean,boolean,text)": "table_to_xmlschema('accounts_user', true, false, '')",
    "schema_to_xml(name,boolean,boolean,text)": "schema_to_xml('eecrm', true, false, '')",
    "schema_to_xmlschema(name,boolean,boolean,text)": "schema_to_xmlschema('eecrm', true, false, '')",
    "database_to_xml(boolean,boolean,text)": "database_to_xml(true, false, '')",
    "database_to_xml_and_xmlschema(boolean,boolean,text)": "database_to_xml_and_xmlschema(true, false, '')",
    "ts_stat(text)": "ts_stat('SELECT ''x''::tsvector')",
    "ts_stat(text,text)": "ts_stat('SELECT ''x''::tsvector', 'a')",
    "ts_rewrite(tsquery,text)": "ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')",
    "lo_creat(integer)": "lo_creat(-1)",
    "lo_create(oid)": "lo_create(0)",
    "lo_from_bytea(oid,bytea)": "lo_from_bytea(0, 'x')",
    "lo_put(oid,bigint,bytea)": "lo_put(1, 0, 'x')",
    "lo_get(oid)": "lo_get(1)",
    "lo_open(oid,integer)": "lo_open(1, 131072)",
    "lo_unlink(oid)": "lo_unlink(1)",
    "loread(integer,integer)": "loread(0, 1)",
    "lowrite(integer,bytea)": "lowrite(0, 'x')",
    "pg_advisory_lock(bigint)": "pg_advisory_lock(1)",
    "pg_advisory_lock_shared(bigint)": "pg_advisory_lock_shared(1)",
    "pg_advisory_xact_lock(bigint)": "pg_advisory_xact_lock(1)",
    "pg_advisory_xact_lock(integer,integer)": "pg_advisory_xact_lock(1, 1)",
    "pg_advisory_unlock_all()": "pg_advisory_unlock_all()",
    "pg_try_advisory_lock(bigint)": "pg_try_advisory_lock(1)",
    "pg_try_advisory_xact_lock(bigint)": "pg_try_advisory_xact_lock(1)",
    "pg_logical_emit_message(boolean,text,text)": "pg_logical_emit_message(false, 'x', 'x')",
    "pg_read_file(text)": "pg_read_file('/etc/passwd')",
    "pg_read_binary_file(text)": "pg_read_binary_file('/etc/passwd')",
    "pg_ls_dir(text)": "pg_ls_dir('/')",
    "pg_stat_file(text)": "pg_stat_file('/etc/passwd')",
    "pg_ls_logdir()": "pg_ls_logdir()",
    "pg_reload_conf()": "pg_reload_conf()",
    "lo_import(text)": "lo_import('/etc/passwd')",
    "lo_export(oid,text)": "lo_export(1, '/tmp/x')",
    "dblink(text)": "dblink('SELECT 1')",
}
# Their families, overloads included.
FAMILIES = r"_to_xml|^ts_stat|^ts_rewrite|^lo_|^lo(read|write)$|advisory|emit_message|^pg_(read|ls)_|^dblink"


def is_there(function: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure(%s) IS NOT NULL", [function])
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("role", ["", Role.EXTERNAL, Role.SALES, Role.SUPERUSER])
def test_what_runs_a_text_or_outlives_its_query_is_refused(function: str, role: str, sql_refusal: Any) -> None:
    assert sql_refusal(f"SELECT {CALLS[function]}", role) == (REFUSED if is_there(function) else UNKNOWN)


def test_no_expression_reads_as_another_role(world: World, sql_refusal: Any) -> None:
    """A query within a query would be planned once its role has changed, in the middle of the one around it."""
    mine = world.users["partner"].pk
    inner = "query_to_xml('SELECT count(*) FROM clients_client', true, false, '')"
    outer = f"SELECT set_config('role', 'eecrm_management', true), {inner}"
    expected = REFUSED if is_there("query_to_xml(text,boolean,boolean,text)") else UNKNOWN
    assert sql_refusal(outer, Role.EXTERNAL, mine) == expected


@pytest.mark.parametrize("role", ["public", "eecrm_app", "eecrm_report", "eecrm_backup", *map(database_role, Role)])
def test_no_overload_of_them_is_left_open(role: str, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ %s"
            " AND has_function_privilege(%s, oid, 'EXECUTE') ORDER BY 1",
            [FAMILIES, role],
        )
        assert cursor.fetchall() == []


# Those that write are the ways of the login role into tables that it can't write itself.
WRITING = {
    "take_limits(text[],integer[],integer[],double precision[])": "take_limits(ARRAY['x'], ARRAY[1], ARRAY[1], ARRAY[1.0])",
    "enrol_identity(text,text)": "enrol_identity('https://provider.example', 'somebody')",
    "audit.seal_closed(integer)": "audit.seal_closed(1)",
}


def definers() -> list[tuple[str, bool, str, list[str] | None, bool]]:
    """Each function that runs as its owner: name, whether it is a trigger's, volatility, settings, and who may call it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regprocedure::text, prorettype = 'trigger'::regtype, provolatile::text, proconfig,"
            " has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc"
            " WHERE prosecdef AND pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
        )
        return list(cursor.fetchall())


def test_each_function_that_runs_as_its_owner_is_known(db: None) -> None:
    found = definers()
    assert len(found) > 20
    for name, _, _, settings, is_open in found:
        assert not is_open, name
        # Nobody chooses the tables and functions that it means.
        assert any(re.fullmatch(r"search_path=(audit, )?(eecrm, )?pg_temp", one) for one in settings or []), name
    # PostgreSQL lets a function that is stable write nothing, and nobody calls a trigger's.
    assert {name for name, is_trigger, kind, _, _ in found if kind == "v" and not is_trigger} == set(WRITING)


@pytest.mark.parametrize("function", WRITING)
@pytest.mark.parametrize("role", Role)
def test_a_function_that_writes_runs_for_the_login_role_alone(function: str, role: Role, sql_refusal: Any) -> None:
    call = WRITING[function]
    assert sql_refusal(f"SELECT {call}", role) == REFUSED
    # Granted, as the login role's it was when the query began; refused by the function itself.
    entering = f"SELECT set_config('role', '{database_role(role)}', true), {call}"
    assert sql_refusal(entering) == REFUSED


@pytest.mark.parametrize("function", WRITING)
def test_the_login_role_itself_may_call_it(function: str, sql_refusal: Any) -> None:
    assert sql_refusal(f"SELECT {WRITING[function]}") == ""
