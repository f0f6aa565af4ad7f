"""Finds differences between the database around the tables and the database as bootstrap.sql makes it.

These are privileges on the database, on schemas and on what migrations will create, settings for everybody, connection
limits and expiries of the logins, functions of PostgreSQL, other databases, and roles of others. bootstrap.sql notes in
the COMMENT on the schema `eecrm` which settings and limits it made, and what it was able to close to PUBLIC. To repair
a difference, an operator runs bootstrap.sql again.
"""

from typing import Any

from access.database import database_role
from access.grants import LOGIN_ROLE, MIGRATOR_ROLE, OWNER_ROLE
from access.policy import MATRIX_ROLES
from access.report_views import REPORT_ROLE
from access.row_security import BACKUP_ROLE

_LOGINS = (LOGIN_ROLE, MIGRATOR_ROLE, REPORT_ROLE, BACKUP_ROLE)
_GROUPS = tuple(database_role(role) for role in MATRIX_ROLES)
_TABLES, _REPORTS = ("schema eecrm", "schema audit"), "schema report"

_PRIVILEGES = """
    WITH objects AS (
        SELECT 'database' AS object, datdba AS owner, coalesce(datacl, acldefault('d', datdba)) AS acl
          FROM pg_database WHERE datname = current_database()
         UNION ALL
        SELECT 'schema ' || nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner))
          FROM pg_namespace WHERE nspname IN ('eecrm', 'audit', 'report', 'public')
         UNION ALL
        SELECT 'later ' || CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                              WHEN 'T' THEN 'types' ELSE 'schemas' END
               || coalesce(' of schema ' || nspname, ''), defaclrole, defaclacl
          FROM pg_default_acl LEFT JOIN pg_namespace ON pg_namespace.oid = defaclnamespace
         WHERE defaclrole IN (SELECT oid FROM pg_roles WHERE rolname IN (%(migrator)s, %(owner)s))
         UNION ALL  -- PostgreSQL's default counts where there is no row: it opens functions to PUBLIC
        SELECT 'later functions', oid, acldefault('f', oid) FROM pg_roles
         WHERE rolname = %(migrator)s AND NOT EXISTS (
             SELECT FROM pg_default_acl WHERE defaclrole = pg_roles.oid AND defaclobjtype = 'f' AND defaclnamespace = 0)
    )
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END, privilege_type, object
      FROM objects, aclexplode(acl) WHERE grantee <> owner
"""
_WANTED = {
    *((login, "CONNECT", "database") for login in _LOGINS),
    *((role, "USAGE", schema) for role in (LOGIN_ROLE, BACKUP_ROLE, *_GROUPS) for schema in _TABLES),
    *((MIGRATOR_ROLE, privilege, schema) for privilege in ("USAGE", "CREATE") for schema in (*_TABLES, _REPORTS)),
    *((BACKUP_ROLE, "SELECT", f"later {kind} of {schema}") for kind in ("tables", "sequences") for schema in _TABLES),
    (REPORT_ROLE, "USAGE", _REPORTS),
    (REPORT_ROLE, "SELECT", f"later tables of {_REPORTS}"),
}  # fmt: skip

# Settings of the log are left out: an administrator may need to set them for the database (docs/operations.md).
_NOTED = """
    WITH noted AS (
        SELECT unnest(string_to_array(obj_description('eecrm'::regnamespace, 'pg_namespace'), E'\\n')) AS line
    ), present AS (
        SELECT 'setting ' || unnest(setconfig) AS line FROM pg_db_role_setting
         WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
         UNION ALL
        SELECT format('connection limit %%s of %%s', rolconnlimit, rolname) FROM pg_roles
         WHERE rolname = ANY (%(logins)s)
    )
    SELECT 'the database has the ' || line FROM (TABLE present EXCEPT TABLE noted) AS more
     WHERE line !~ '^setting log_'
     UNION ALL
    SELECT 'the database lacks the ' || line FROM (TABLE noted EXCEPT TABLE present) AS less
     WHERE line ~ '^(setting|connection limit) ' AND line !~ '^setting log_'
     UNION ALL
    SELECT 'PUBLIC may execute ' || pg_proc.oid::regprocedure
      FROM noted JOIN pg_proc ON proname = split_part(line, 'closed function ', 2)::name
     WHERE line ~ '^closed function ' AND pronamespace = 'pg_catalog'::regnamespace
       AND has_function_privilege('public', pg_proc.oid, 'EXECUTE')
     UNION ALL  -- the migrator's triggers take locks with these two functions
    SELECT pg_get_userbyid(grantee) || ' may execute ' || pg_proc.oid::regprocedure
      FROM noted JOIN pg_proc ON proname = split_part(line, 'closed function ', 2)::name, aclexplode(proacl)
     WHERE line ~ '^closed function ' AND pronamespace = 'pg_catalog'::regnamespace
       AND pg_get_userbyid(grantee) = ANY (%(roles)s)
       AND NOT (pg_get_userbyid(grantee) = %(migrator)s AND pg_proc.oid IN
                ('pg_advisory_xact_lock(bigint)'::regprocedure, 'pg_advisory_xact_lock(integer,integer)'::regprocedure))
     UNION ALL
    SELECT 'PUBLIC may connect to the database ' || datname
      FROM pg_database JOIN noted ON line = 'closed database ' || datname
     WHERE has_database_privilege('public', pg_database.oid, 'CONNECT')
"""
# Administrators are left out: who makes roles can enter roles.
_STRANGERS = """
    SELECT entering.rolname || ' may enter ' || granted.rolname
      FROM pg_auth_members AS membership
      JOIN pg_roles AS entering ON entering.oid = membership.member
      JOIN pg_roles AS granted ON granted.oid = membership.roleid
     WHERE granted.rolname = ANY (%(roles)s) AND entering.rolname <> ALL (%(roles)s)
       AND NOT entering.rolsuper AND NOT entering.rolcreaterole
"""
_EXPIRIES = """
    SELECT rolname || ' may log in until ' || rolvaliduntil
      FROM pg_roles WHERE rolname = ANY (%(logins)s) AND rolvaliduntil < 'infinity'
"""


def faults(cursor: Any) -> list[str]:
    """Returns a sentence for each difference between the database around the tables and what bootstrap.sql made."""
    names = {
        "migrator": MIGRATOR_ROLE,
        "owner": OWNER_ROLE,
        "logins": list(_LOGINS),
        "roles": [*_LOGINS, *_GROUPS, OWNER_ROLE],
    }
    cursor.execute(_PRIVILEGES, names)
    given = set(cursor.fetchall())
    sentences = [f"{role} has {privilege} on {of}" for role, privilege, of in given - _WANTED]
    sentences += [f"{role} lacks {privilege} on {of}" for role, privilege, of in _WANTED - given]
    for statement in (_NOTED, _STRANGERS, _EXPIRIES):
        cursor.execute(statement, names)
        sentences += [sentence for (sentence,) in cursor.fetchall()]
    return sorted(sentences)
