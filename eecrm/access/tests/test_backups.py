"""`pg_dump` as `eecrm_backup` reads every row or fails, and its dump restores into an empty cluster."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from access import logins, surroundings
from access.tests.clusters import Server, new_cluster
from conftest import PATIENCE, PRIVILEGE, World

# Grants, policies and owners, in words that don't depend on the cluster.
_RIGHTS = """
    SELECT concat_ws(' ', oid::regclass, relacl, relrowsecurity, pg_get_userbyid(relowner))
      FROM (SELECT oid, relrowsecurity, relowner, ARRAY(SELECT one::text FROM unnest(relacl) AS one ORDER BY 1) AS relacl
              FROM pg_class WHERE relnamespace::regnamespace::text IN ('eecrm', 'audit', 'report')
                              AND relkind IN ('r', 'v', 'S')) AS relation
     UNION ALL
    SELECT concat_ws(' ', attrelid::regclass, attname, ARRAY(SELECT one::text FROM unnest(attacl) AS one ORDER BY 1))
      FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text !~ '^pg_'
     UNION ALL
    SELECT concat_ws(' ', oid::regprocedure, ARRAY(SELECT one::text FROM unnest(proacl) AS one ORDER BY 1))
      FROM pg_proc WHERE pronamespace::regnamespace::text IN ('eecrm', 'audit')
     UNION ALL
    SELECT concat_ws(' ', polrelid::regclass, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
     UNION ALL
    SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL
    SELECT 'closed: ' || oid::regprocedure FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace AND NOT has_function_privilege('public', oid, 'EXECUTE')
"""


@pytest.fixture
def server(committed_world: World) -> Server:
    names = ("HOST", "PORT", "PASSWORD", "MIGRATOR_PASSWORD", "REPORT_PASSWORD", "BACKUP_PASSWORD", "ADMIN_PASSWORD")
    settings = {f"PG_{name}": os.environ[f"PG_{name}"] for name in names}
    return Server(settings | {"PG_DATABASE": connection.settings_dict["NAME"]})


@pytest.fixture(scope="module")
def empty(worker_id: str) -> Iterator[Server]:
    with new_cluster(f"empty-{worker_id}") as made:
        yield made


def test_a_dump_restores_into_an_empty_cluster(server: Server, empty: Server, tmp_path: Path) -> None:
    done = server.dump(tmp_path / "dump")
    assert done.returncode == 0, done.stderr
    assert empty.bootstrap() == ""
    name = empty.settings["PG_DATABASE"]
    restored = empty.run("pg_restore", "--clean", "--if-exists", "--exit-on-error", "-d", name, str(tmp_path / "dump"))
    assert restored.returncode == 0, restored.stderr
    assert empty.bootstrap() == ""
    assert empty.counts() == server.counts()
    assert min(empty.counts()[table] for table in ("eecrm.clients_client", "eecrm.accounts_user", "audit.entry")) > 1
    assert empty.rows(_RIGHTS) == server.rows(_RIGHTS)
    assert empty.manage("sync_database", "--check") == "The database says what the code says.\n"
    closed = {name for (name,) in empty.rows(_RIGHTS) if name.startswith("closed")}
    assert "closed: ts_stat(text)" in closed

    # From the second cluster, a whole dump is made again, or none.
    again = empty.dump(tmp_path / "again")
    assert again.returncode == 0, again.stderr
    empty.rows("ALTER ROLE eecrm_backup NOBYPASSRLS")
    hidden = empty.dump(tmp_path / "hidden")
    assert (hidden.returncode, "COPY audit.entry " in hidden.stderr) == (1, True), hidden.stderr
    by_policies = empty.dump(tmp_path / "by-policies", "--enable-row-security")
    assert by_policies.returncode == 0, by_policies.stderr
    assert empty.data(tmp_path / "by-policies") == empty.data(tmp_path / "again") != []
    empty.rows("ALTER ROLE eecrm_backup BYPASSRLS; REVOKE SELECT ON eecrm.clients_client FROM eecrm_backup")
    denied = empty.dump(tmp_path / "denied")
    assert (denied.returncode, "eecrm.clients_client" in denied.stderr) == (1, True), denied.stderr
    assert empty.bootstrap() == ""
    assert empty.dump(tmp_path / "granted").returncode == 0


def test_a_backup_writes_nothing_and_a_report_dumps_nothing(server: Server, tmp_path: Path) -> None:
    name = server.settings["PG_DATABASE"]
    for statement in (
        "DELETE FROM audit.entry", "UPDATE eecrm.clients_client SET company_name = 'x'", "SET ROLE eecrm_app",
        "CREATE TABLE eecrm.mine (id int)", "SELECT lo_create(0)", "TRUNCATE eecrm.api_limit",
    ):  # fmt: skip
        writable = "SET default_transaction_read_only = off"
        done = server.run(
            "psql", "-X", "-v", "VERBOSITY=sqlstate", "-c", writable, "-c", statement, name, login="BACKUP"
        )
        assert done.stderr.rstrip().endswith(PRIVILEGE), (statement, done.stderr)
    refused = server.run("pg_dump", f"--file={tmp_path / 'dump'}", name, login="REPORT")
    assert (refused.returncode, "LOCK TABLE" in refused.stderr) == (1, True), refused.stderr


def test_bootstrap_again_takes_back_what_was_changed_by_hand(empty: Server) -> None:
    empty.bootstrap()
    name = empty.settings["PG_DATABASE"]
    settings = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'eecrm_app'::regrole"
    before = empty.rows(settings)
    empty.rows(
        f"ALTER ROLE eecrm_app SET role = 'eecrm_management'; ALTER ROLE eecrm_app IN DATABASE {name} SET lock_timeout = 0;"
        " GRANT eecrm_migrator TO eecrm_app; GRANT eecrm_management TO eecrm_sales; GRANT pg_read_all_data TO eecrm_report;"
        " GRANT eecrm_sales TO eecrm_app WITH ADMIN OPTION; ALTER ROLE eecrm_app CREATEDB INHERIT;"
        " GRANT EXECUTE ON FUNCTION ts_stat(text) TO PUBLIC; ALTER ROLE eecrm_owner LOGIN;"
        " ALTER ROLE eecrm_migrator CREATEROLE CREATEDB; GRANT pg_read_server_files TO eecrm_migrator;"
        " GRANT eecrm_management TO eecrm_owner"
    )
    with empty.cursor() as cursor:
        assert {sentence.split()[0] for sentence in logins.faults(cursor)} >= {"eecrm_owner", "eecrm_migrator"}
    assert empty.rows(settings) != before
    assert empty.bootstrap() == ""
    assert empty.rows(settings) == before
    assert empty.rows("SELECT has_function_privilege('public', 'ts_stat(text)', 'EXECUTE')") == [(False,)]
    assert empty.rows("SELECT rolcreatedb, rolinherit FROM pg_roles WHERE rolname = 'eecrm_app'") == [(False, False)]
    memberships = empty.rows(
        "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members WHERE admin_option OR"
        " member::regrole::text <> 'eecrm_app' OR roleid = 'eecrm_migrator'::regrole"
    )
    assert [one for one in memberships if one[0].startswith("eecrm_") and one[0] != "eecrm_admin"] == []
    with empty.cursor() as cursor:
        assert logins.faults(cursor) == []


@pytest.mark.parametrize("login", ["eecrm_migrator", "eecrm_app", "eecrm_report", "eecrm_backup"])
def test_no_connection_is_without_its_settings_while_bootstrap_runs_again(login: str, empty: Server) -> None:
    empty.bootstrap()
    settings = "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting WHERE setrole <> 0"
    before = empty.rows(settings)
    with empty.cursor() as holder, ThreadPoolExecutor(1) as threads:
        # As long as nobody commits, whoever else sets this login's settings waits.
        holder.execute(f"BEGIN; ALTER ROLE {login} IN DATABASE {empty.settings['PG_DATABASE']} SET timezone = 'UTC'")
        bootstrap = threads.submit(empty.bootstrap)
        deadline = time.monotonic() + PATIENCE
        while not empty.rows("SELECT pid FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < deadline and not bootstrap.done()
            time.sleep(0.02)
        during = empty.rows(settings)
        holder.execute("ROLLBACK")
        assert bootstrap.result() == ""
    assert during == before == empty.rows(settings)


def test_bootstrap_again_closes_what_was_opened_around_the_tables(empty: Server) -> None:
    empty.bootstrap()
    name = empty.settings["PG_DATABASE"]
    later = "ALTER DEFAULT PRIVILEGES FOR ROLE eecrm_migrator"
    with empty.cursor() as cursor:
        assert surroundings.faults(cursor) == []
        cursor.execute(
            f"CREATE ROLE spy LOGIN; GRANT eecrm_sales TO spy; GRANT CONNECT ON DATABASE {name} TO spy WITH GRANT OPTION;"
            f" GRANT TEMPORARY ON DATABASE {name} TO PUBLIC; GRANT ALL ON SCHEMA eecrm, public TO spy, eecrm_app, PUBLIC;"
            f" {later} IN SCHEMA eecrm GRANT ALL ON TABLES TO spy; {later} GRANT SELECT ON TABLES TO PUBLIC;"
            f" {later} GRANT EXECUTE ON FUNCTIONS TO PUBLIC; ALTER DATABASE {name} SET row_security = off;"
            f" GRANT CONNECT ON DATABASE template1 TO PUBLIC; {later.replace('migrator', 'owner')} IN SCHEMA audit GRANT"
            " SELECT ON TABLES TO PUBLIC; GRANT EXECUTE ON FUNCTION query_to_xml TO eecrm_report WITH GRANT OPTION;"
            " GRANT EXECUTE ON FUNCTION lo_create, pg_advisory_lock(bigint) TO eecrm_migrator;"
            " ALTER ROLE eecrm_backup VALID UNTIL '2020-01-01'; ALTER ROLE eecrm_report CONNECTION LIMIT 0"
        )
        assert len(surroundings.faults(cursor)) > 20
        assert empty.bootstrap() == ""
        assert surroundings.faults(cursor) == []
        cursor.execute("DROP ROLE spy")


def test_the_logins_are_kept_out_of_other_databases_where_all_are_ours(empty: Server) -> None:
    empty.bootstrap()
    for database in ("postgres", "template1"):
        refused = empty.run("psql", "-X", "-c", "SELECT 1", database, login="REPORT")
        assert (refused.returncode, database in refused.stderr) == (2, True), refused.stderr
    empty.rows("CREATE DATABASE other", "postgres")
    empty.rows("GRANT CONNECT ON DATABASE postgres TO PUBLIC", "postgres")
    try:
        assert "The logins may connect to databases that others may need, too: postgres. See" in empty.bootstrap()
    finally:
        empty.rows("DROP DATABASE other", "postgres")
    assert empty.bootstrap() == ""


def test_the_temporary_files_of_reports_are_limited(empty: Server) -> None:
    empty.bootstrap()
    name = empty.settings["PG_DATABASE"]
    shown = empty.run("psql", "-XAtq", "-c", "SHOW temp_file_limit", name, login="REPORT")
    assert shown.stdout == "2GB\n"
    lifting = empty.run("psql", "-X", "-c", "SET temp_file_limit = -1", name, login="REPORT")
    assert (lifting.returncode, "temp_file_limit" in lifting.stderr) == (1, True)


def test_a_service_without_a_superuser_is_told_what_stays_open(worker_id: str) -> None:
    is_open = "SELECT has_function_privilege('public', 'ts_stat(text)', 'EXECUTE')"
    passes = "SELECT rolbypassrls FROM pg_roles WHERE rolname = 'eecrm_backup'"
    with new_cluster(f"managed-{worker_id}") as managed:
        managed.settings["PG_CLOUD_PASSWORD"] = "of a managed service"
        managed.rows(
            "CREATE ROLE eecrm_cloud LOGIN CREATEROLE CREATEDB INHERIT PASSWORD 'of a managed service'", "postgres"
        )
        for _ in range(2):
            said = managed.bootstrap("CLOUD")
            assert (
                "could not be given BYPASSRLS, which takes a superuser here: add --enable-row-security to pg_dump"
                in said
            )
            assert "Only a superuser could close these functions" in said and "ts_stat" in said
            assert (managed.rows(is_open), managed.rows(passes)) == ([(True,)], [(False,)])
        assert managed.bootstrap() == ""
        assert (managed.rows(is_open), managed.rows(passes)) == ([(False,)], [(True,)])


def test_what_takes_a_superuser_is_told_where_there_is_none(empty: Server) -> None:
    """As on a managed service, whose administrator makes roles and databases."""
    empty.bootstrap()
    roles = ", ".join(
        name for (name,) in empty.rows("SELECT rolname FROM pg_roles WHERE rolname ~ '^eecrm_' AND NOT rolsuper")
    )
    password = empty.settings["PG_ADMIN_PASSWORD"]
    empty.rows(
        f"CREATE ROLE platform LOGIN CREATEROLE CREATEDB PASSWORD '{password}'; GRANT {roles} TO platform WITH ADMIN OPTION;"
        " GRANT CONNECT ON DATABASE postgres TO platform"
    )
    managed = Server(empty.settings | {"PG_DATABASE": "managed"})
    managed.administrator = "platform"
    try:
        told = managed.bootstrap()
        assert (
            "Set in the parameters of the server: log_min_error_statement = panic, log_error_verbosity = terse. See"
            in told
        )
        assert told.count("The log of PostgreSQL will hold values of statements") == 1
        noted = "SELECT shobj_description('eecrm_app'::regrole, 'pg_authid')"
        ((settings,),) = empty.rows(noted)
        assert "lock_timeout=5s" in settings
        assert "log_min_error_statement" not in settings
        empty.rows(
            "ALTER DATABASE managed SET log_min_error_statement = 'panic'; ALTER DATABASE managed SET log_error_verbosity = 'terse'"
        )
    finally:
        empty.rows("DROP DATABASE IF EXISTS managed WITH (FORCE)", "postgres")
        empty.rows("DROP OWNED BY platform CASCADE; DROP ROLE platform", "postgres")
    assert empty.bootstrap() == ""
    ((settings,),) = empty.rows(noted)
    assert "log_min_error_statement=panic" in settings


def test_the_login_for_reports_and_backups_of_earlier_goes(empty: Server) -> None:
    empty.bootstrap()
    empty.rows("CREATE ROLE eecrm_readonly LOGIN PASSWORD 'still known'; CREATE SCHEMA IF NOT EXISTS old;"
               "CREATE TABLE old.t (id int); GRANT USAGE ON SCHEMA old TO eecrm_readonly; GRANT SELECT ON old.t TO eecrm_readonly;"
               "ALTER DEFAULT PRIVILEGES IN SCHEMA old GRANT SELECT ON TABLES TO eecrm_readonly")  # fmt: skip
    empty.rows("CREATE DATABASE other")
    empty.rows(
        "GRANT CONNECT ON DATABASE other TO eecrm_readonly; CREATE TABLE t (id int); GRANT SELECT ON t TO eecrm_readonly",
        "other",
    )
    assert empty.bootstrap() == ""
    # Another database still knows it: it is left without a way in, a password and rights in ours.
    left = "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'eecrm_readonly'"
    assert empty.rows(left) == [(False, None)]
    assert empty.rows("SELECT has_table_privilege('eecrm_readonly', 'old.t', 'SELECT')") == [(False,)]
    empty.rows("DROP DATABASE other")
    assert empty.bootstrap() == ""
    assert empty.rows(left) == []
    empty.rows("DROP SCHEMA old CASCADE")  # which a dump wouldn't be allowed to read
