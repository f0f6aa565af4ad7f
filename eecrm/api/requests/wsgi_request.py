"""Request class that reads Content-Type and Cookie strictly, and all text as UTF-8."""

import re
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest, get_str_from_wsgi
from django.http import HttpRequest, multipartparser, parse_cookie
from django.utils.functional import cached_property
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType

from api.requests.bounds import body_length

_UTF8 = ("utf-8", "utf8")

# Matches a media type (RFC 9110, section 8.3) in ASCII, without backslashes and asterisks.
# Python treats backslashes and asterisks specially, so a media type with one of them isn't accepted.
# An asterisk marks a parameter with a charset (`name*=utf-8''…`, RFC 2231).
# Python keeps the name of each such charset in memory for ever, so requests could fill the memory.
# The possessive quantifiers (`++`) prevent backtracking, which could be slow.
_HTTP_TOKEN = r"[!#$%&'+\-.^_`|~0-9A-Za-z]++"
_PARAMETER = rf'({_HTTP_TOKEN})=({_HTTP_TOKEN}|"[\t !#-)+-\[\]-~]*+")'
_CONTENT_TYPE = re.compile(rf"{_HTTP_TOKEN}/{_HTTP_TOKEN}(?:[ \t]*+;[ \t]*+(?:{_PARAMETER})?+)*+[ \t]*+")
_PARAMETERS = re.compile(rf";[ \t]*+{_PARAMETER}")
MAX_CONTENT_TYPE_CHARS = 256

MAX_COOKIE_CHARS = 8 * 1024  # maximum characters of all cookies of a request

# Only these paths accept multipart forms: the imports of accounts and clients, and the honeypot (a fake admin login).
_MULTIPART_PREFIXES = (
    f"/{settings.ADMIN_URL}accounts/user/import/",
    f"/{settings.ADMIN_URL}clients/client/import/",
    "/admin/",
)


class UTF8Request(WSGIRequest):
    """Reads the query string and forms as UTF-8, and clears a Content-Type that isn't valid or isn't accepted.

    The class never sets `encoding`: Django's setter would parse the query string before any middleware can answer.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        header = str(meta.get("CONTENT_TYPE", "")).strip(" \t")
        self.content_type = header.partition(";")[0].strip(" \t").lower()
        is_valid = len(header) <= MAX_CONTENT_TYPE_CHARS and _CONTENT_TYPE.fullmatch(header)
        if is_valid and (
            not self.content_type.startswith("multipart/") or f"{self.path_info}/".startswith(_MULTIPART_PREFIXES)
        ):
            self.content_params = {name.lower(): value.strip('"') for name, value in _PARAMETERS.findall(header)}
        else:
            meta["CONTENT_TYPE"] = self.content_type = ""
            self.content_params = {"charset": "unreadable"} if header else {}

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # Django declares a property too
        """Returns the request's cookies; none if the Cookie header is longer than MAX_COOKIE_CHARS.

        Cookies with backslashes are left out, because no cookie of this site has a backslash.
        CPython before 3.11.10 and 3.12.6 takes quadratic time to parse backslashes (CVE-2024-7592).
        """
        header = get_str_from_wsgi(self.environ, "HTTP_COOKIE", "")
        if len(header) > MAX_COOKIE_CHARS:
            return {}
        return parse_cookie(";".join(cookie for cookie in header.split(";") if "\\" not in cookie))

    def parse_file_upload(self, META: Any, post_data: Any) -> Any:
        """Turns LookupError, TypeError and ValueError of Django's parser into MultiPartParserError, which is a 400."""
        try:
            return super().parse_file_upload(META, post_data)
        except (LookupError, TypeError, ValueError) as error:
            raise multipartparser.MultiPartParserError("The form can't be read.") from error


def _parameters_of_part(header: str) -> Any:
    """Parses the header of one part of a multipart form.

    Raises MultiPartParserError if a parameter names a charset (RFC 2231). RFC 7578, section 4.2, forbids this in forms.
    """
    if "*" in header:
        raise multipartparser.MultiPartParserError("The form has a parameter in a charset of its own.")
    return parse_header_parameters(header)


# `_parameters_of_part` replaces Django's parser, because Django has no setting that refuses such parameters.
multipartparser.parse_header_parameters = _parameters_of_part  # type: ignore[attr-defined]


def refuse_other_charsets(request: HttpRequest) -> None:
    """Raises UnsupportedMediaType for a body whose Content-Type names another charset than UTF-8.

    Sources: RFC 8259, section 8.1, for JSON; the WHATWG URL standard for forms.
    """
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in _UTF8 and body_length(request):
        detail = (
            "Bodies are sent in UTF-8 here."
            if request.content_type
            else "No body is read here as this Content-Type says."
        )
        raise UnsupportedMediaType("", detail)
