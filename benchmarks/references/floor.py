"""Reference implementation with the lowest possible cost in Python ("the floor"): no framework and no rules.

Each operation is a function with a token check and one SQL statement.
"""

import os
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import psycopg2
from argon2 import PasswordHasher

ROOT = "/api/v1/"
Environ = dict[str, Any]

_KEY = os.environ["JWT_SIGNING_KEY"]
_HASHER = PasswordHasher()
_READ_COLUMNS = (
    "id", "status", "company_name", "first_name", "last_name", "email", "phone", "mobile",
    "created_at", "updated_at", "version",
)  # fmt: skip
_SELECT = f"""
SELECT {", ".join(f"c.{name}" for name in _READ_COLUMNS)}, u.id, u.display_name
  FROM clients_client AS c JOIN accounts_user AS u ON u.id = c.sales_contact_id
"""
# The search is a separate subquery, so that PostgreSQL uses the index and doesn't search row by row.
_SEARCH = """
WHERE c.id = ANY (ARRAY(SELECT id FROM clients_client WHERE search @@ to_tsquery('simple', %s)))
"""
_WRITTEN_COLUMNS = ("company_name", "first_name", "last_name", "email", "phone")
_INSERT = f"""
WITH c AS (
    INSERT INTO clients_client ({", ".join(_WRITTEN_COLUMNS)}, mobile, sales_contact_id)
    VALUES (%s, %s, %s, %s, %s, '', %s) RETURNING *
)
SELECT {", ".join(f"c.{name}" for name in _READ_COLUMNS)}, u.id, u.display_name
  FROM c JOIN accounts_user AS u ON u.id = c.sales_contact_id
"""
_SYNC_PAGE_ROWS = 200


@cache
def _connection() -> Any:
    """Returns the worker's persistent database connection.

    libpq (PostgreSQL's library) reads address and login from the PG… environment variables.
    """
    connection = psycopg2.connect("")
    connection.autocommit = True
    return connection


def _rows(sql: str, *values: Any) -> list[Any]:
    with _connection().cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()  # type: ignore[no-any-return]  # psycopg2 is untyped


def _client(environ: Environ, row: Iterable[Any]) -> dict[str, Any]:
    *values, contact, name = row
    client = dict(zip(_READ_COLUMNS, values, strict=True))
    url = f"http://{environ['HTTP_HOST']}{ROOT}clients/{client['id']}/"
    return client | {"url": url, "sales_contact": {"id": contact, "name": name}}


def _user(environ: Environ) -> int:
    token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    return int(jwt.decode(token, _KEY, algorithms=["HS256"])["sub"])


def _body(environ: Environ) -> Any:
    return orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))


def log_in(environ: Environ) -> Any:
    given = _body(environ)
    [(user, stored)] = _rows(
        "SELECT id, password FROM accounts_user WHERE username = %s AND is_active", given["username"]
    )
    _HASHER.verify(stored.removeprefix("argon2"), given["password"])
    return {"access": jwt.encode({"sub": str(user), "exp": time.time() + 3600}, _KEY, algorithm="HS256")}


def list_clients(environ: Environ) -> Any:
    _user(environ)
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    where, values = "", []
    if "sales_contact" in query:
        where, values = "WHERE c.sales_contact_id = %s", [int(query["sales_contact"])]
    elif "search" in query:
        where, values = _SEARCH, [f"{query['search']}:*"]
    rows = _rows(f"{_SELECT} {where} ORDER BY c.id DESC LIMIT %s", *values, int(query["page_size"]))
    return {"next": rows[-1][0] if rows else None, "results": [_client(environ, row) for row in rows]}


def retrieve_client(environ: Environ) -> Any:
    _user(environ)
    key = int(environ["PATH_INFO"].split("/")[-2])
    [row] = _rows(f"{_SELECT} WHERE c.id = %s", key)
    return _client(environ, row)


def create_client(environ: Environ) -> Any:
    user, given = _user(environ), _body(environ)
    [row] = _rows(_INSERT, *(given[name] for name in _WRITTEN_COLUMNS), user)
    return _client(environ, row)


def synchronise(environ: Environ) -> Any:
    """Returns the first page of rows, ordered by id, for an app that keeps an offline copy."""
    _user(environ)
    rows = _rows(f"{_SELECT} ORDER BY c.id LIMIT %s", _SYNC_PAGE_ROWS + 1)
    clients = [_client(environ, row) for row in rows[:_SYNC_PAGE_ROWS]]
    changes = [
        {"type": "client", "id": client["id"], "op": "upsert", "version": client["version"], "data": client}
        for client in clients
    ]
    return {"changes": changes, "next": clients[-1]["id"], "has_more": len(rows) > _SYNC_PAGE_ROWS}


_ROUTES: dict[tuple[str, str], Callable[[Environ], Any]] = {
    ("POST", f"{ROOT}users/login/"): log_in,
    ("GET", f"{ROOT}clients/"): list_clients,
    ("POST", f"{ROOT}clients/"): create_client,
    ("GET", f"{ROOT}sync/"): synchronise,
}


def application(environ: Environ, start_response: Any) -> list[bytes]:
    answer = _ROUTES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]), retrieve_client)
    body = orjson.dumps(answer(environ))
    status = "201 Created" if answer is create_client else "200 OK"
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
