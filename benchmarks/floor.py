"""The least that this list can cost in Python: a function, a token check and one SQL statement. No framework, no policy."""

import os
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import stage

_ROWS = """
SELECT c.id, c.status, c.company_name, c.first_name, c.last_name, c.email, c.phone, c.mobile, u.id, u.display_name,
       c.created_at, c.updated_at, c.version
  FROM clients_client AS c JOIN accounts_user AS u ON u.id = c.sales_contact_id
 ORDER BY c.id DESC LIMIT %s
"""


@cache
def _connection() -> Any:
    return stage.connect("PG_MIGRATOR", stage.DATABASE)


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    jwt.decode(
        token, os.environ["JWT_SIGNING_KEY"], algorithms=["HS256"], audience="epic-events-api", issuer="epic-events-crm"
    )
    root = f"http://{environ['HTTP_HOST']}/api/v1/clients/"
    with _connection().cursor() as cursor:
        cursor.execute(_ROWS, [int(parse_qs(environ["QUERY_STRING"])["limit"][0])])
        body = orjson.dumps({"results": [_row(root, *row) for row in cursor]})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _row(root: str, key: int, *values: Any) -> dict[str, Any]:
    (
        status,
        company_name,
        first_name,
        last_name,
        email,
        phone,
        mobile,
        contact,
        name,
        created_at,
        updated_at,
        version,
    ) = values
    return {
        "id": key, "url": f"{root}{key}/", "status": status, "company_name": company_name,
        "first_name": first_name, "last_name": last_name, "email": email, "phone": phone, "mobile": mobile,
        "sales_contact": {"id": contact, "name": name},
        "created_at": created_at, "updated_at": updated_at, "version": version,
    }  # fmt: skip
