"""The least that these operations can cost in Python: a function, a token check and one SQL statement each. No framework, no rules."""

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
_READ = (
    "id", "status", "company_name", "first_name", "last_name", "email", "phone", "mobile", "created_at", "updated_at", "version",
)  # fmt: skip
_SELECT = f"""
SELECT {", ".join(f"c.{name}" for name in _READ)}, u.id, u.display_name
  FROM clients_client AS c JOIN accounts_user AS u ON u.id = c.sales_contact_id
"""
# Looked for apart, so that PostgreSQL asks the index, and doesn't look for the word from row to row.
_FOUND = """
WHERE c.id = ANY (ARRAY(SELECT id FROM clients_client WHERE search @@ to_tsquery('simple', %s)))
"""
_WRITTEN = ("company_name", "first_name", "last_name", "email", "phone")
_INSERT = f"""
WITH c AS (
    INSERT INTO clients_client ({", ".join(_WRITTEN)}, mobile, sales_contact_id) VALUES (%s, %s, %s, %s, %s, '', %s) RETURNING *
)
SELECT {", ".join(f"c.{name}" for name in _READ)}, u.id, u.display_name FROM c JOIN accounts_user AS u ON u.id = c.sales_contact_id
"""
_PAGE_OF_COPY = 200


@cache
def _connection() -> Any:
    """One for each worker, for good; libpq knows from its variables where to."""
    connection = psycopg2.connect("")
    connection.autocommit = True
    return connection


def _rows(sql: str, *values: Any) -> list[Any]:
    with _connection().cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()  # type: ignore[no-any-return]  # psycopg2 is untyped


def _client(environ: Environ, row: Iterable[Any]) -> dict[str, Any]:
    *values, contact, name = row
    client = dict(zip(_READ, values, strict=True))
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
    asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    where, values = "", []
    if "sales_contact" in asked:
        where, values = "WHERE c.sales_contact_id = %s", [int(asked["sales_contact"])]
    elif "search" in asked:
        where, values = _FOUND, [f"{asked['search']}:*"]
    rows = _rows(f"{_SELECT} {where} ORDER BY c.id DESC LIMIT %s", *values, int(asked["page_size"]))
    return {"next": rows[-1][0] if rows else None, "results": [_client(environ, row) for row in rows]}


def retrieve_client(environ: Environ) -> Any:
    _user(environ)
    key = int(environ["PATH_INFO"].split("/")[-2])
    [row] = _rows(f"{_SELECT} WHERE c.id = %s", key)
    return _client(environ, row)


def create_client(environ: Environ) -> Any:
    user, given = _user(environ), _body(environ)
    [row] = _rows(_INSERT, *(given[name] for name in _WRITTEN), user)
    return _client(environ, row)


def synchronise(environ: Environ) -> Any:
    """The first page of a copy, by key, as there are more clients than fit into it."""
    _user(environ)
    rows = _rows(f"{_SELECT} ORDER BY c.id LIMIT %s", _PAGE_OF_COPY + 1)
    clients = [_client(environ, row) for row in rows[:_PAGE_OF_COPY]]
    changes = [
        {"type": "client", "id": one["id"], "op": "upsert", "version": one["version"], "data": one} for one in clients
    ]
    return {"changes": changes, "next": clients[-1]["id"], "has_more": len(rows) > _PAGE_OF_COPY}


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
