"""What a caller says about the text of a request. That it is served so, test_wire.py shows."""

import encodings

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import UnsupportedMediaType

from api.requests import UTF8Request, refuse_other_charsets


def request(content_type: str, query: str = "x=%C3%A9") -> UTF8Request:
    return UTF8Request(RequestFactory()._base_environ(CONTENT_TYPE=content_type, QUERY_STRING=query, CONTENT_LENGTH="2"))


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


@pytest.mark.parametrize("content_type", ["text/plain; a*=nosuch''%E9", "a/b; charset*=idna''%E9", "a/b; x*0*=rot13''a"])
def test_parameters_in_charsets_of_their_own_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        refuse_other_charsets(request(content_type))
