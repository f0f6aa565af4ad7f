"""What is measured on: a database of its own with 20,000 clients, and somebody who may list them."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

ROOT = Path(__file__).resolve().parents[1]
DATABASE = "eecrm_bench"
CLIENTS, SALES_CONTACTS = 20_000, 40

sys.path[:0] = [str(ROOT / "eecrm"), str(ROOT / "scripts" / "local")]

_USERS = """
INSERT INTO accounts_user (username, first_name, last_name, email, job_title, mobile, role, is_superuser, password)
SELECT 'sales' || n, 'Sales', 'Person ' || n, 'sales' || n || '@epic.example', '', '', 'sales', false, '!'
  FROM generate_series(1, %s) AS n
"""
_CLIENTS = """
INSERT INTO clients_client (company_name, first_name, last_name, email, phone, mobile, sales_contact_id)
SELECT 'Company ' || n, 'Ann', 'Person ' || n,
       'ann' || n || '@company' || n || '.example', '+33199' || lpad(n::text, 6, '0'), '+33639' || lpad(n::text, 6, '0'),
       (SELECT min(id) FROM accounts_user) + n %% %s
  FROM generate_series(1, %s) AS n
"""


@contextmanager
def prepared() -> Iterator[None]:
    """The database, from nothing, and gone afterwards: no earlier run and no test can have left anything in it."""
    import database

    os.environ["PG_DATABASE"] = (
        DATABASE  # for all that follows: the migrations, both servers, and Django in this process
    )
    os.environ["RATE_LIMIT_FACTOR"] = "1000"  # requests are counted as ever, but never refused
    _drop()
    try:
        database.bootstrap(DATABASE)
        database.migrate_all([DATABASE])
        _fill()
        yield
    finally:
        _drop()


def _drop() -> None:
    with closing(connect("PG_ADMIN", "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _fill() -> None:
    with closing(connect("PG_MIGRATOR", DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute(_USERS, [SALES_CONTACTS])
        cursor.execute(_CLIENTS, [SALES_CONTACTS, CLIENTS])
        cursor.execute("VACUUM ANALYZE accounts_user, clients_client")


def connect(who: str, database: str) -> Any:
    """A connection of the one whose name and password are in the variables that begin so; each statement commits."""
    connection = psycopg2.connect(
        host=os.environ["PG_HOST"],
        port=os.environ["PG_PORT"],
        dbname=database,
        user=os.environ[f"{who}_USER"],
        password=os.environ[f"{who}_PASSWORD"],
    )
    connection.autocommit = True
    return connection


def access_token() -> str:
    """Good for ten minutes, both here and in the reference."""
    from accounts import tokens
    from accounts.models import User

    return tokens.log_in(User.objects.first()).access
