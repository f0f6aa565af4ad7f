"""Prepares the benchmark database. The reference implementations use copies of its tables, without our rules."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from argon2 import PasswordHasher

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(os.environ["EECRM_HOME"])  # scripts/test sets this variable and starts the benchmarks
LOGS = HOME / "benchmarks" / "logs"
DATABASE, REFERENCE = "eecrm_bench", "eecrm_bench_reference"
CLIENTS, SALES_CONTACTS = 20_000, 40
PASSWORD = "a long enough passphrase"

sys.path[:0] = [str(ROOT / "eecrm"), str(ROOT / "tools" / "local"), str(ROOT / "tools" / "shared")]

# Argon2's parameters are those of accounts.passwords.hashers, so that all servers check passwords at the same cost.
# The salt is as long as Django's. With another length, Django would store a new hash at the first login.
# While one login stores a new hash, another login of the same account would be refused.
_HASH = "argon2" + PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(
    PASSWORD, salt=b"22 bytes, as in Django"
)

_USERS = """
INSERT INTO accounts_user (username, first_name, last_name, email, job_title, mobile, role, is_superuser, password)
SELECT 'sales' || n, 'Sales', 'Person ' || n, 'sales' || n || '@epic.example', '', '', 'sales', false, %s
  FROM generate_series(1, %s) AS n
"""
_CLIENTS = """
INSERT INTO clients_client (status, company_name, first_name, last_name, email, phone, mobile, sales_contact_id,
                            search, company_name_order, last_name_order)
SELECT 'client', company, 'Ann', person, email, phone, mobile, (SELECT min(id) FROM accounts_user) + n %% %s,
       words_of(company) || words_of('Ann ' || person) || words_of(email, 'B') || phone_word(phone)
           || phone_word(mobile),
       order_key(company), order_key(person)
  FROM generate_series(1, %s) AS n,
       LATERAL (SELECT 'Company ' || n, 'Person ' || n, 'ann' || n || '@company' || n || '.example',
                       '+33199' || lpad(n::text, 6, '0'), '+33639' || lpad(n::text, 6, '0'))
           AS made (company, person, email, phone, mobile)
"""
_CONTRACTS = """
INSERT INTO contracts_contract (client_id, sales_contact_id, search, name_order, name, status, amount, payment_due,
                                signed_at)
SELECT client.id, client.sales_contact_id, words_of('Contract ' || n) || ts_filter(client.search, '{a,b}'),
       order_key('Contract ' || n),
       'Contract ' || n, 'signed', 100 + n %% 9000, date '2027-01-01' + n %% 700, now()
  FROM generate_series(1, %(contracts)s) AS n JOIN clients_client AS client ON client.id = 1 + n %% %(clients)s
"""
_EVENTS = """
INSERT INTO events_event (contract_id, sales_contact_id, search, name_order, name, attendees, starts_at, location,
                          notes)
SELECT contract.id, contract.sales_contact_id, words_of('Event ' || n || ' Hall ' || n %% 90) || contract.search,
       order_key('Event ' || n),
       'Event ' || n, n %% 500, timestamptz '2027-01-01 18:00Z' + n %% 700 * interval '1 day', 'Hall ' || n %% 90, ''
  FROM generate_series(1, %(events)s) AS n JOIN contracts_contract AS contract ON contract.id = n
"""
_TABLES = ("accounts_user", "clients_client", "contracts_contract", "events_event")
_COLUMNS = """
SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
# The copied tables have the same columns, checks, indexes and keys, but no triggers and no row security.
# The email column gets the index of Django's `unique=True`, because validators that search for duplicates need it.
_COPY = """
CREATE TABLE plain.{table} (LIKE eecrm.{table} INCLUDING ALL);
INSERT INTO plain.{table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM eecrm.{table};
SELECT setval(pg_get_serial_sequence('plain.{table}', 'id'), (SELECT max(id) FROM plain.{table}));
"""
_KEYS = """
DROP INDEX plain.clients_client_lower_idx;
ALTER TABLE plain.clients_client ALTER search DROP NOT NULL, ALTER company_name_order DROP NOT NULL,
    ALTER last_name_order DROP NOT NULL, ADD UNIQUE (email),
    ADD FOREIGN KEY (sales_contact_id) REFERENCES plain.accounts_user;
ALTER TABLE plain.contracts_contract ADD FOREIGN KEY (client_id) REFERENCES plain.clients_client;
ALTER TABLE plain.events_event ADD FOREIGN KEY (contract_id) REFERENCES plain.contracts_contract;
"""


@contextmanager
def prepared(*, clients: int = CLIENTS, for_comparison: bool = False) -> Iterator[None]:
    """Creates the benchmark database for the block, and drops it afterwards.

    A database that an earlier run left is dropped first.
    `for_comparison` adds contracts and events, and copies of all tables for the reference implementations.
    """
    import database

    # The migrations, the servers, and Django in this process read these environment variables.
    # RATE_LIMIT_FACTOR is 1, as in production.
    # With a higher factor, a worker would ask the database about rate limits only rarely.
    # Then the benchmarks would not measure the cost of rate limits.
    os.environ |= {"PG_DATABASE": DATABASE, "RATE_LIMIT_FACTOR": "1", "TRUSTED_PROXIES": "1"}
    _drop()
    try:
        database.bootstrap(DATABASE, os.environ)
        database.migrate(DATABASE, os.environ)
        _allow_statement_log()
        _fill(clients, with_orders=for_comparison)
        if for_comparison:
            _copy()
        yield
    finally:
        _drop()


def _drop() -> None:
    with closing(connect("PG_ADMIN", "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"DROP ROLE IF EXISTS {REFERENCE}")


def _allow_statement_log() -> None:
    """Lets PostgreSQL log the statements of eecrm_app, because statements.py counts them in the log."""
    with closing(connect("PG_ADMIN", DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE eecrm_app IN DATABASE {DATABASE} RESET log_statement")


def _fill(clients: int, *, with_orders: bool) -> None:
    """Inserts users and clients. `with_orders` also inserts contracts and events.

    A client has 1.75 contracts and 1.5 events on average. Triggers are disabled during the inserts. Otherwise each row
    would get an entry in the audit trail.
    """
    with closing(connect("PG_MIGRATOR", DATABASE)) as connection, connection.cursor() as cursor:
        _switch_triggers(cursor, "DISABLE")
        cursor.execute(_USERS, [_HASH, SALES_CONTACTS])
        cursor.execute(_CLIENTS, [SALES_CONTACTS, clients])
        if with_orders:
            cursor.execute(_CONTRACTS, {"clients": clients, "contracts": clients * 7 // 4})
            cursor.execute(_EVENTS, {"events": clients * 3 // 2})
        _switch_triggers(cursor, "ENABLE")
        cursor.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}")


def _switch_triggers(cursor: Any, word: str) -> None:
    for table in _TABLES:
        cursor.execute(f"ALTER TABLE {table} {word} TRIGGER USER")


def _copy() -> None:
    """Copies the tables into the schema `plain`, for a separate role that uses only this schema."""
    with closing(connect("PG_ADMIN", DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {REFERENCE} LOGIN PASSWORD %s", [os.environ["PG_PASSWORD"]])
        cursor.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {REFERENCE}")
        cursor.execute(f"ALTER ROLE {REFERENCE} IN DATABASE {DATABASE} SET search_path = plain")
        # bootstrap.sql gives eecrm_app this planner setting. With it, both database roles get the same query plans.
        cursor.execute(f"ALTER ROLE {REFERENCE} IN DATABASE {DATABASE} SET random_page_cost = 1.1")
        cursor.execute(f"CREATE SCHEMA plain AUTHORIZATION {REFERENCE}")
        for table in _TABLES:
            cursor.execute(_COLUMNS, [f"eecrm.{table}"])
            cursor.execute(_COPY.format(table=table, columns=cursor.fetchone()[0]))
        cursor.execute(_KEYS)
        for table in _TABLES:
            cursor.execute(f"ALTER TABLE plain.{table} OWNER TO {REFERENCE}")
            cursor.execute(f"VACUUM ANALYZE plain.{table}")


def reference_environment() -> dict[str, str]:
    """Returns PG… environment variables with which libpq connects as the role of the reference implementations."""
    names = {"PGHOST": "PG_HOST", "PGPORT": "PG_PORT", "PGPASSWORD": "PG_PASSWORD"}
    return {name: os.environ[variable] for name, variable in names.items()} | {
        "PGDATABASE": DATABASE,
        "PGUSER": REFERENCE,
    }


def connect(prefix: str, database: str) -> Any:
    """Opens an autocommit connection to PostgreSQL.

    The variables {prefix}_USER and {prefix}_PASSWORD have the login.
    """
    connection = psycopg2.connect(
        host=os.environ["PG_HOST"],
        port=os.environ["PG_PORT"],
        dbname=database,
        user=os.environ[f"{prefix}_USER"],
        password=os.environ[f"{prefix}_PASSWORD"],
    )
    connection.autocommit = True
    return connection
