"""What a caller says about the text of a request. That it is served so, test_wire.py shows."""

import encodings
from typing import Any

import pytest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.test import RequestFactory
from django.test.client import FakePayload
from django.urls import reverse
from rest_framework.exceptions import UnsupportedMediaType

from api.requests.wsgi_request import UTF8Request, refuse_other_charsets


def request(content_type: str, query: str = "x=%C3%A9") -> UTF8Request:
    return UTF8Request(
        RequestFactory()._base_environ(CONTENT_TYPE=content_type, QUERY_STRING=query, CONTENT_LENGTH="2")
    )


def test_no_name_of_a_charset_stays_in_memory() -> None:
    before = len(encodings._cache)  # type: ignore[attr-defined]  # CPython's own
    for number in range(50):
        with pytest.raises(UnsupportedMediaType):
            refuse_other_charsets(request(f"a/b; charset=name{number}"))
    assert len(encodings._cache) == before  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("charset", ["latin1", "rot13", "utf-16", "", "\x00", "undefined"])
def test_the_query_is_utf_8_whatever_is_said(charset: str) -> None:
    assert request(f"a/b; charset={charset}").GET["x"] == "é"
    with pytest.raises(UnsupportedMediaType):
        refuse_other_charsets(request(f"a/b; charset={charset}"))


@pytest.mark.parametrize("content_type", ["", "application/json", "a/b; charset=UTF-8", 'a/b; charset="utf8"; v=1'])
def test_utf_8_is_taken(content_type: str) -> None:
    refuse_other_charsets(request(content_type))


@pytest.mark.parametrize(
    "content_type", ["text/plain; a*=nosuch''%E9", "a/b; charset*=idna''%E9", "a/b; x*0*=rot13''a"]
)
def test_parameters_in_charsets_of_their_own_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        refuse_other_charsets(request(content_type))


UNREADABLE = [
    "a/b;x* =nope''a", "a/b; x*0=a; x* =b", "a/b; x*0=a; x*\t=b", "a/b; x*" + "9" * 5_000 + "=a", "a/b; x*1*; x*0=a", "application/json; x*=nope''a", "*/*", "a", "a/", "/b", "é/b",
    "a/b; x", "a/b; x=", 'a/b; x="', 'a/b; x="\\""', 'a/b; y="\\\\"; z="; x*=nope\'\'a; q="', "a/b; x=é", "a/b; x=\x00", "a/b, c/d", "a/b" + ";" * 8_000, "a/b; x=" + "y" * 250,
    "multipart/form-data; boundary=x", "multipart/mixed",
]  # fmt: skip


@pytest.mark.parametrize("content_type", UNREADABLE, ids=lambda text: text[:30])
def test_what_is_no_content_type_is_gone_before_anybody_reads_it(content_type: str) -> None:
    made = request(content_type)
    assert (made.content_type, made.META["CONTENT_TYPE"]) == ("", "")
    with pytest.raises(UnsupportedMediaType):
        refuse_other_charsets(made)


@pytest.mark.parametrize(
    ("content_type", "known"),
    [
        ("application/JSON ; Charset=UTF-8;", ("application/json", {"charset": "UTF-8"})),
        ('a/b;; x="; charset=x"\t;y=z', ("a/b", {"x": "; charset=x", "y": "z"})),
        ("", ("", {})),
    ],
)
def test_a_content_type_is_read(content_type: str, known: tuple[str, dict[str, str]]) -> None:
    made = request(content_type)
    assert (made.content_type, made.content_params, made.META["CONTENT_TYPE"]) == (*known, content_type)


def test_cookies_with_a_backslash_are_not_read() -> None:
    def cookies(header: str) -> dict[str, str]:
        return UTF8Request(RequestFactory()._base_environ(HTTP_COOKIE=header)).COOKIES

    assert cookies('eecrm_session=a; other="b\\054c"; eecrm_csrf=d; x="y"') == {
        "eecrm_session": "a",
        "eecrm_csrf": "d",
        "x": "y",
    }
    assert cookies('a="' + "\\1" * 50_000 + '"') == {}
    assert cookies("a=b;" * 2_049) == {}


def form(headers: str, path: str = "/admin/login/") -> UTF8Request:
    body = (
        f'--x\r\n{headers}\r\n\r\nabc\r\n--x\r\nContent-Disposition: form-data; name="b"\r\n\r\nc\r\n--x--\r\n'.encode()
    )
    return UTF8Request(
        RequestFactory()._base_environ(
            PATH_INFO=path, REQUEST_METHOD="POST", CONTENT_TYPE="multipart/form-data; boundary=x",
            CONTENT_LENGTH=str(len(body)), **{"wsgi.input": FakePayload(body)},
        )
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/admin/login/", reverse("admin:accounts_user_import")])
def test_a_form_with_a_file_is_read(path: str) -> None:
    made = form('Content-Disposition: form-data; name="file"; filename="é.csv"\r\nContent-Type: text/csv', path)
    assert (dict(made.POST), made.FILES["file"].name) == ({"b": ["c"]}, "é.csv")


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Disposition: form-data; x*0=a; x*=b",
        "Content-Disposition: form-data; name*=name-of-a-part''a",
        "X: y; x* =undefined''a",
    ],
)
def test_a_form_whose_parts_name_charsets_is_refused(headers: str) -> None:
    before = len(encodings._cache)  # type: ignore[attr-defined]  # as above
    with pytest.raises(MultiPartParserError):
        form(headers).POST  # noqa: B018  # it is read so
    assert len(encodings._cache) == before  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("error", [LookupError, TypeError, ValueError, UnicodeError])
def test_whatever_goes_wrong_in_a_form_is_the_callers_fault(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(MultiPartParser, "parse", fail)
    with pytest.raises(MultiPartParserError):
        form("X: y").POST  # noqa: B018  # as above
