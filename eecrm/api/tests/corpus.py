"""Hostile requests to every operation of the OpenAPI document: each field, parameter, header and path of it with each value.

What the document describes is covered by itself. Operations with the same code share the values: each value reaches each
field by one of them. `CORPUS=full` sends each value to each operation, from every role.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from typing import Any, NamedTuple
from uuid import uuid4

from access.checks import routes
from api.tests.published import published
from conftest import PASSWORD, World

IS_FULL = os.environ.get("CORPUS") == "full"
EVERYBODY = ("superuser", "management", "sales", "support", "auditor", "partner", "unlinked")
WRITERS = ("management", "superuser")  # whose values get past the permissions

# Values as text, in JSON.
VALUES = [
    *(json.dumps(value) for value in (
        None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 1.5, -0.0, "", " ", "\t\n", "a\x00b", "\x00", "a" * 10_001, "é" * 300, "💥" * 60, "\u202e\u200b\ufeff",
        "e\u0301" * 90, "' OR 1=1 --", "%s%d%n", "{{7*7}}{0}", "../../etc/passwd", "<script>alert(1)</script>", "a\r\nb: c", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "0x10", "1_000",
        "9" * 5000, "0.001", "99999999999.99", "-1.00", "1e2", "١٢٣", "٠.٥", "true", "null", "0001-01-01", "9999-12-31", "10000-01-01", "2027-02-30", "2027-03-28T02:30:00", "2027-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2027-01-01T25:61:61Z", "2027-01-01T00:00:00+99:99", "infinity", "+33", "+999999999999999999", "+33199001234;ext=1", "a@b",
        "a@" + "b" * 300 + ".example", "\u212aelvin@\u0130.example", [], [[]], ["x"], [None] * 50, {}, {"id": 1}, {"$gt": ""}, {"a": {"b": {"c": []}}},
    )),
    "1e400", "-1e400", "1e-400", "1E5", "-0", "9" * 5000, "0." + "3" * 5000, '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', "[" * 1_000 + "]" * 1_000,
    '{"a":' * 1_000 + "1" + "}" * 1_000, '{"a": 1, "a": 2}',
]  # fmt: skip
# The parser refuses them whichever field has them.
MALFORMED = ["NaN", "-Infinity", "01", "'a'", "undefined", '"\t"', ""]
QUERY = [
    "", "%00", "%FF%FE", "%ED%A0%80", "%F4%90%80%80", "١", "-1", "0", "99999999999999999999", "1e5", "NaN", "sNaN", "Infinity", "1E9999", "9" * 5000, "true", "null", "[]", "%7B%7D", "' OR 1=1",
    "%25%25", "a" * 3000, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2027-03-28T02:30:00", "2027-02-30",
    "%F0%9F%92%A5", "%E2%80%AE", "(((", ":*", "!!", "a%26b", "%5C", "id,-id", "__class__", "..%2F..", "%0D%0AX:%20y", "+", "WzBd", "W2ZhbHNlLDFlNDAwXQ", "W2ZhbHNlLG51bGxd", "W3RydWUsMV0",
]  # fmt: skip
PATHS = [
    "0", "-1", "01", "1.0", "1e3", "١", "９", "9223372036854775807", "9223372036854775808", "9" * 400, "%00", "%ff", "%2e%2e", "abc", "1%0A", "1;a=b", "%F0%9F%92%A5", "null", "1%2F..", "{}",
    "0f8fad5b-d9cb-469f-a165-70867728950e", "00000000-0000-0000-0000-00000000000g",
]  # fmt: skip
HEADERS = [
    "",
    "\x00",
    "é",
    "\xff\xfe",
    "a" * 9000,
    "%00",
    "'",
    "*",
    '"',
    '"1-x"',
    'W/"1"',
    "1,2,3",
    "bytes=0-99999999999",
    "application/json;;;",
    "-1",
    "💥".encode().decode("latin-1"),
]
EVERY_HEADER = (
    "Authorization", "Accept", "Accept-Encoding", "Content-Type", "Content-Encoding", "Content-Length", "Cookie", "Host", "Idempotency-Key", "If-Match", "If-None-Match", "If-Modified-Since", "If-Range",
    "Origin", "Range", "Transfer-Encoding", "User-Agent", "X-Change-Reason", "X-Forwarded-For", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Request-ID",
)  # fmt: skip
BODIES = [
    b"", b"{", b"}", b"[]", b"1", b"null", b'"text"', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{}\x00", "{}".encode("utf-16"), "{}".encode("utf-32"), b'{"a": "\xed\xa0\x80"}', b'{"\xff": 1}', b'{"a" 1}',
    b'{"a": 1,}', b'{"a": 1} {}', b"// x\n{}", b"[" * 1_000 + b"]" * 1_000, b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"__proto__": 1, "constructor": 2}', b'{"1e400": 1}',
    b'{"a\\u0000": 1}', b'{"\\ud800": 1}', b'{"": ""}', b'{"id": 1, "url": "x", "version": 9, "role": "management", "is_superuser": true}',
    json.dumps({f"field{number}": number for number in range(500)}).encode(), b" " * (2 * 1024 * 1024), b'{"a": "' + b"x" * (2 * 1024 * 1024) + b'"}',
]  # fmt: skip
TYPES = [
    "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "application/xml", "application/json; charset=utf-16", "application/json; charset=x",
    "application/merge-patch+json", "APPLICATION/JSON", "application/json;", "application/json; a=\x00", "*/*", "é",
    "application/json; x*=nope''a", "application/json; x*0=a; x* =b", "application/json;" + ";" * 8_000,
]  # fmt: skip


_PARENTS = re.compile(r"/clients/\{client\}/(contracts/\{contract\}/)?")


class Operation(NamedTuple):
    path: str
    method: str
    described: Any
    place: int

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def code(self) -> tuple[str, str]:
        """What names the operation's code: below a parent too, a row is changed by one serializer, with PUT and PATCH."""
        return _PARENTS.sub("/", self.path), "PUT" if self.method == "PATCH" else self.method


class Hostile(NamedTuple):
    """A request, and by whom."""

    by: str
    address: str
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@cache
def operations() -> list[Operation]:
    found = [
        (path, method.upper(), described)
        for path, item in sorted(published.document["paths"].items())
        for method, described in item.items()
    ]
    return [Operation(*one, place) for place, one in enumerate(found)]


def undescribed() -> list[str]:
    """Routes that the document leaves out: pages and files for browsers, and the document itself."""
    described = {operation.path for operation in operations()}
    return sorted(
        path
        for path, _ in routes()
        if "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path).replace("{pk}", "{id}") not in described
    )


def filled(path: str, world: World) -> str:
    """The address of rows that everybody may at least read but the unlinked partner."""
    own = {
        "clients": world.own_client.pk,
        "contracts": world.own_draft.pk,
        "events": world.own_event.pk,
        "sessions": uuid4(),
    }
    path = path.replace("{client}", str(world.own_client.pk)).replace("{contract}", str(world.own_signed.pk))
    collection = path.partition("/{id}")[0].rpartition("/")[2]
    return path.replace("{id}", str(own[collection])) if "{id}" in path else path


def _properties(operation: Operation) -> tuple[dict[str, Any], list[str]]:
    content = operation.described.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return {}, []
    schema = content["application/json"]["schema"]
    schema = published.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema["properties"], schema.get("required", [])


def right_body(operation: Operation, world: World) -> dict[str, Any]:
    """What the operation accepts, so that one wrong value alone is what is refused."""
    known: dict[str, Any] = {
        "sales_contact_id": world.users["sales"].pk, "username": "sales", "password": PASSWORD, "old_password": PASSWORD,
        "new_password": "an entirely different phrase", "refresh": "x",
    }  # fmt: skip
    by_format = {
        "date": "2027-03-31",
        "date-time": "2027-06-01T18:00:00Z",
        "decimal": "99.90",
        "email": "nora@new.example",
    }
    properties, required = _properties(operation)
    wanted = {*required, *({"sales_contact_id"} & properties.keys() if operation.method == "POST" else ())}
    return {
        name: known.get(name)
        or by_format.get(properties[name].get("format", ""))
        or (20 if properties[name].get("type") == "integer" else "Text")
        for name in sorted(wanted)
    }


def _with(body: dict[str, Any], name: str, raw: str) -> bytes:
    members = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in body.items() if key != name]
    return f"{{{', '.join([*members, f'{json.dumps(name)}: {raw}'])}}}".encode()


def _by_value(operation: Operation, world: World) -> Iterator[Hostile]:
    """Without a name yet: whoever sends it comes later."""
    address, body = filled(operation.path, world), right_body(operation, world)
    right = json.dumps(body).encode() if operation.method in ("POST", "PUT", "PATCH") else b""
    for name in fields(operation):
        yield from (Hostile("", address, _with(body, name, raw)) for raw in in_turn(operation, name, VALUES))
    if fields(operation):
        yield from (Hostile("", address, _with(body, "unknown", raw)) for raw in MALFORMED)
    if operation.method in ("POST", "PUT", "PATCH"):
        yield from (Hostile("", address, raw) for raw in BODIES)
        yield from (Hostile("", address, right, content_type) for content_type in TYPES)
    for name in parameters(operation, "query"):
        yield from (Hostile("", f"{address}?{it}", right) for it in in_turn(operation, name, queries(name)))
    for query in shared(operation.place, [it for name in ("a" * 300, "%00", "format", "%FF") for it in queries(name)]):
        yield Hostile("", f"{address}?{query}", right)
    for name in parameters(operation, "path"):
        for value in PATHS:
            yield Hostile(
                "", filled(operation.path.replace(f"{{{name}}}", "\x1a"), world).replace("\x1a", value), right
            )
    for header in shared(operation.place, [(name, value) for name in EVERY_HEADER for value in HEADERS]):
        yield Hostile("", address, right, headers=(header,))


def queries(name: str) -> list[str]:
    return [*(f"{name}={value}" for value in QUERY), f"{name}=1&{name}=true&{name}"]


def fields(operation: Operation) -> list[str]:
    """Names of the members of the body, and one that is none."""
    properties, _ = _properties(operation)
    return [*properties, "unknown"] if properties else []


def parameters(operation: Operation, place: str) -> list[str]:
    return [one["name"] for one in operation.described.get("parameters", ()) if one["in"] == place]


def in_turn(operation: Operation, name: str, values: list[str]) -> list[str]:
    """Those of the values that this operation takes: operations with the same code and the same input take turns."""
    kin = [
        other.place
        for other in operations()
        if other.code == operation.code and name in (*fields(other), *parameters(other, "query"))
    ]
    return values if IS_FULL else values[kin.index(operation.place) :: len(kin)]


def shared(place: int, values: list[Any]) -> list[Any]:
    """Values for code that all operations have in common: each operation takes an eighth."""
    return values if IS_FULL else values[place % 8 :: 8]


def hostile_requests(operation: Operation, world: World) -> Iterator[Hostile]:
    """Each value once, by one of those who get far with it; and from everybody what is right, and a few of the rest."""
    requests = list(_by_value(operation, world))
    senders = cycle(WRITERS if operation.method != "GET" else EVERYBODY)
    for number, request in enumerate(requests):
        everybody = IS_FULL or number % 80 == 0
        for name in (*EVERYBODY, "anonymous") if everybody else (next(senders),):
            yield request._replace(by=name)
    right = json.dumps(right_body(operation, world)).encode()
    for name in (*EVERYBODY, "anonymous"):
        yield Hostile(name, filled(operation.path, world), right)
