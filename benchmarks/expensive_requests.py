"""Builds expensive requests that anybody can send without logging in, within the size limits of gunicorn and Django."""

import base64
import json
from collections.abc import Iterator
from typing import NamedTuple

KIB, MIB = 1024, 1024 * 1024
LINE = 7_900  # bytes of a long header or query string, a little less than gunicorn's limit
JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
CSRF = "a" * 32  # the cookie and the form field have the same value, so that Django's CSRF check passes


class Request(NamedTuple):
    kind: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def name(self) -> str:
        return f"{self.method} {self.kind}"


def _filled(unit: str, size: int = LINE) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def _part(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _token(header: bytes, payload: bytes) -> str:
    return f"{_part(header)}.{_part(payload)}.{'s' * 40}"


# Number of bytes that fit into a token of LINE characters. Base64 makes a text a third longer.
_ROOM = LINE * 3 // 4 - 200
TOKENS = {
    "a long token": "x" * LINE,
    "a token of dots": "." * LINE,
    "an unknown kid": _token(b'{"alg":"HS256","typ":"JWT","kid":"unknown"}', b'{"iss":"x","exp":9999999999}'),
    "a long kid": _token(b'{"alg":"HS256","kid":"%s"}' % (b"k" * _ROOM), b"{}"),
    "a token of lists": _token(b"[" * (_ROOM // 2), b"[" * (_ROOM // 2)),
    "a token of objects": _token(b'{"alg":"HS256","kid":"1"}', b'{"a":[' + b"{}," * (_ROOM // 3 - 20) + b"{}]}"),
    "a token of digits": _token(b'{"alg":"HS256","kid":"1"}', b'{"exp":' + b"9" * (_ROOM - 50) + b"}"),
}
_HEADERS = {
    "Accept": _filled("a/b;q=0.1,"),
    "Accept-Encoding": _filled("gzip;q=0 ,"),
    "Accept-Language": _filled("en-gb;q=0.1,"),
    "Cookie": _filled("a=1;"),
    "If-None-Match": _filled('"1-a",'),
    "If-Match": _filled(","),
    "Range": "bytes=" + _filled("0-1,"),
    "X-Change-Reason": "a" * LINE,
    "X-Request-ID": "a" * LINE,
    "X-Forwarded-Host": _filled("a.b,"),
    "Content-Type": "application/json;" + _filled("a=b;"),
    "Origin": "https://" + _filled("a."),
    "User-Agent": "a" * LINE,
    "Idempotency-Key": '"' + _filled("\\\\"),
}
QUERIES = {
    "many parameters": _filled("a=1&"),
    "other parameters": "&".join(f"p{number}=1" for number in range(900)),
    "escaped parameters": _filled("%41%C3%A9="),
    "a long search": "search=" + _filled("a+"),
    "a long order": "ordering=" + _filled("id,"),
    "a cursor of lists": "cursor=" + _part(b"[" * (_ROOM - 100)),
    "a long next": "next=" + _filled("//a/"),
}


def _csrf(content_type: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", content_type), ("Cookie", f"csrftoken={CSRF}"), ("Referer", "http://127.0.0.1/"))


def _json_bodies(size: int) -> Iterator[tuple[str, bytes]]:
    members = b",".join(b'"m%d":%d' % (number, number) for number in range(size // 16))
    yield "unknown members", b"{" + members + b"}"
    yield "empty objects", b"[" + b"{}," * (size // 3 - 2) + b"{}]"
    yield "objects of one name", b"[" + b'{"":1},' * (size // 7 - 2) + b"{}]"
    yield "empty texts", b"[" + b'"",' * (size // 3 - 2) + b'""]'
    yield "a name twice", b'{"a":1,' + b'"b":[' + b"{}," * (size // 3 - 20) + b'{}],"a":2}'
    yield "escapes", b'{"username":"' + b"\\u00e9" * (size // 6 - 10) + b'","password":"x"}'
    yield "quotes", b'{"username":"' + b'\\"' * (size // 2 - 20) + b'","password":"x"}'
    yield "an open text", b'"' + b'\\"' * (size // 2 - 4)
    yield "numbers", b"[" + b"1e300," * (size // 6 - 2) + b"1]"
    yield "long names", b"{" + b",".join(b'"%s%d":1' % (b"n" * 1000, number) for number in range(size // 1010)) + b"}"
    yield "nested lists", b"[" * 200 + b"]" * 200
    yield "deep lists", b"[" * (size // 2) + b"]" * (size // 2)
    for field in ("username", "refresh", "password"):
        yield f"a long {field}", json.dumps({"username": "a", "password": "b", field: "é" * (size // 8)}).encode()


def _form_bodies(size: int) -> Iterator[tuple[str, str, bytes]]:
    start = f"csrfmiddlewaretoken={CSRF}&".encode()
    for name in ("username", "account", "code", "new_password1", "x"):
        yield f"a long {name}", FORM, start + name.encode() + b"=" + b"&amp;%26".replace(b"&", b"%26") * (size // 16)
    yield "many fields", FORM, start + b"&".join(b"f%d=%s" % (number, b"a" * (size // 1_100)) for number in range(950))
    yield "more fields", FORM, start + b"a=1&" * (size // 4 - 40)
    yield "escaped fields", FORM, start + b"username=" + b"%C3%A9" * (size // 6 - 40) + b"&password=x"
    token = b'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n%s\r\n' % CSRF.encode()
    field = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n%s\r\n'
    yield "parts", PARTS, token + field % (b"a" * 900) * min(950, size // 960) + b"--x--\r\n"
    yield "small parts", PARTS, token + field % b"" * (size // 56 - 10) + b"--x--\r\n"
    file = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n%s\r\n'
    )
    yield "a CSV", PARTS, token + file % (b'"a","b"\r\n' * (size // 10 - 40)) + b"--x--\r\n"
    yield "files", PARTS, token + file % (b"a,b\r\n" * 20) * min(95, size // 220) + b"--x--\r\n"
    yield "no end", PARTS, token + b"--x\r\n" + b"\r\n--" * (size // 4 - 60)
    yield "headers of a part", PARTS, token + b"--x\r\n" + b"A: b\r\n" * (size // 6 - 60) + b"\r\n\r\n--x--\r\n"
    long = b'--x\r\nContent-Disposition: form-data; name="' + b"n;" * (size // 2 - 200) + b'"\r\n\r\n1\r\n--x--\r\n'
    yield "a long name of a part", PARTS, token + long
    base64ed = (
        b'--x\r\nContent-Disposition: form-data; name="f"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--x--\r\n'
    )
    yield "base64", PARTS, token + base64ed % (b"QUFB" * (size // 4 - 80))


def reads(path: str) -> Iterator[Request]:
    yield Request("nothing special", "GET", path)
    yield from (Request(kind, "GET", f"{path}?{query}") for kind, query in QUERIES.items())
    yield from (Request(f"a long {name}", "GET", path, ((name, value),)) for name, value in _HEADERS.items())
    yield from (Request(kind, "GET", path, (("Authorization", f"Bearer {token}"),)) for kind, token in TOKENS.items())
    yield Request(
        "escaped cookies",
        "GET",
        path,
        (("Cookie", 'a="' + _filled("\\1")), *[("Cookie", _filled("\\1"))] * 10, ("Cookie", '"')),
    )
    yield Request("a charset of a parameter", "GET", path, (("Content-Type", "a/b;x* =nope''a;" + _filled(";")),))
    yield Request("full headers", "GET", path, tuple((f"X-{number}", "a" * LINE) for number in range(90)))
    yield Request("many options", "OPTIONS", path, tuple(_HEADERS.items()))


def writes(path: str, method: str) -> Iterator[Request]:
    for size in (15 * KIB, MIB - 2 * KIB):
        words = f"of {size // KIB} KiB"
        for kind, body in _json_bodies(size):
            yield Request(f"JSON: {kind} {words}", method, path, (("Content-Type", JSON),), body)
        for kind, content_type, body in _form_bodies(size):
            yield Request(f"form: {kind} {words}", method, path, _csrf(content_type), body)
