"""Compares PostgreSQL's present roles with the roles that bootstrap.sql creates.

To repair a difference, an operator runs bootstrap.sql again. PostgreSQL lets each role change its own settings. So
bootstrap.sql also writes the settings of a login role into a COMMENT, which the role can't change.

Only a superuser can set some of the settings. If a role without this right runs bootstrap.sql, the script leaves these
settings out, in the COMMENT too. The operator then sets them for the whole server.
"""

from typing import Any

from access.database import database_role
from access.grants import LOGIN_ROLE, MIGRATOR_ROLE, OWNER_ROLE
from access.policy import MATRIX_ROLES
from access.report_views import REPORT_ROLE
from access.row_security import BACKUP_ROLE

_SETTINGS = """
    WITH logins AS (
        SELECT oid, rolname FROM pg_roles WHERE rolname = ANY (%(logins)s)
    ), present AS (
        SELECT rolname, unnest(setconfig) AS setting FROM pg_db_role_setting JOIN logins ON oid = setrole
         WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    ), noted AS (
        SELECT rolname, unnest(string_to_array(shobj_description(oid, 'pg_authid'), E'\\n')) AS setting FROM logins
    )
    (SELECT rolname || ' has the setting ' || setting FROM (TABLE present EXCEPT TABLE noted) AS more)
     UNION ALL
    (SELECT rolname || ' lacks the setting ' || setting FROM (TABLE noted EXCEPT TABLE present) AS less)
"""
_ATTRIBUTES = """
    SELECT rolname || ' is ' || concat_ws(' and ',
               CASE WHEN rolsuper THEN 'a superuser' END, CASE WHEN rolcreaterole THEN 'a maker of roles' END,
               CASE WHEN rolcreatedb THEN 'a maker of databases' END, CASE WHEN rolreplication THEN 'a replica' END,
               CASE WHEN rolbypassrls AND rolname <> %(backup)s THEN 'exempt from row security' END,
               CASE WHEN rolcanlogin AND rolname <> ALL (%(logins)s) THEN 'a login' END,
               CASE WHEN rolinherit AND rolname = %(login)s THEN 'an heir of the roles that it may enter' END)
      FROM pg_roles
     WHERE rolname = ANY (%(roles)s)
       AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AND rolname <> %(backup)s
            OR rolcanlogin AND rolname <> ALL (%(logins)s) OR rolinherit AND rolname = %(login)s)
"""
_MEMBERSHIPS = """
    SELECT entering.rolname || CASE WHEN admin_option THEN ' may give away ' ELSE ' may enter ' END || granted.rolname
      FROM pg_auth_members AS membership
      JOIN pg_roles AS entering ON entering.oid = membership.member
      JOIN pg_roles AS granted ON granted.oid = membership.roleid
     WHERE entering.rolname = ANY (%(roles)s)
       AND (admin_option OR entering.rolname <> %(login)s OR granted.rolname <> ALL (%(groups)s))
"""


def is_log_discreet(cursor: Any) -> bool:
    """True if PostgreSQL logs neither failed statements of this login role nor values from failing rows."""
    cursor.execute("SELECT current_setting('log_min_error_statement'), current_setting('log_error_verbosity')")
    return bool(cursor.fetchone() == ("panic", "terse"))


def faults(cursor: Any) -> list[str]:
    """Returns a sentence for each setting, attribute or membership that doesn't come from bootstrap.sql.

    Also returns a sentence for each setting from bootstrap.sql that is missing now.
    """
    groups = [database_role(role) for role in MATRIX_ROLES]
    logins = [LOGIN_ROLE, REPORT_ROLE, BACKUP_ROLE, MIGRATOR_ROLE]
    names = {
        "login": LOGIN_ROLE,
        "logins": logins,
        "backup": BACKUP_ROLE,
        "groups": groups,
        "roles": [*groups, *logins, OWNER_ROLE],
    }
    sentences: list[str] = []
    for statement in (_SETTINGS, _ATTRIBUTES, _MEMBERSHIPS):
        cursor.execute(statement, names)
        sentences += sorted(sentence for (sentence,) in cursor.fetchall())
    return sentences
