"""The headers of requests that tell how to read them. Their text is UTF-8, whatever charset a caller names."""

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

# RFC 9110, section 8.3, in ASCII and without backslashes and asterisks, which Python reads in ways of its own: an asterisk
# names a charset (RFC 2231), and Python keeps each name for good. Nothing here backtracks.
_HTTP_TOKEN = r"[!#$%&'+\-.^_`|~0-9A-Za-z]++"
_PARAMETER = rf'({_HTTP_TOKEN})=({_HTTP_TOKEN}|"[\t !#-)+-\[\]-~]*+")'
_CONTENT_TYPE = re.compile(rf"{_HTTP_TOKEN}/{_HTTP_TOKEN}(?:[ \t]*+;[ \t]*+(?:{_PARAMETER})?+)*+[ \t]*+")
_PARAMETERS = re.compile(rf";[ \t]*+{_PARAMETER}")
MAX_CONTENT_TYPE_CHARS = 256

MAX_COOKIE_CHARS = 8 * 1024  # of all cookies of a request

# The one form with a file, and the decoy, which takes what a stock admin site takes.
_TAKE_FILES = (f"/{settings.ADMIN_URL}accounts/user/import/", "/admin/")


class UTF8Request(WSGIRequest):
    """Reads the query and forms as UTF-8, and a Content-Type as strictly as ours need it: what doesn't fit is gone before anybody
    reads it. It reads no query before a middleware can answer."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        header = str(meta.get("CONTENT_TYPE", "")).strip(" \t")
        self.content_type = header.partition(";")[0].strip(" \t").lower()
        is_taken = len(header) <= MAX_CONTENT_TYPE_CHARS and _CONTENT_TYPE.fullmatch(header)
        if is_taken and (
            not self.content_type.startswith("multipart/") or f"{self.path_info}/".startswith(_TAKE_FILES)
        ):
            self.content_params = {name.lower(): value.strip('"') for name, value in _PARAMETERS.findall(header)}
        else:
            meta["CONTENT_TYPE"] = self.content_type = ""
            self.content_params = {"charset": "unreadable"} if header else {}

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # as Django has it
        """Without those that hold a backslash, which none of ours does: CPython takes the square of their length to read them
        before 3.11.10 and 3.12.6 (CVE-2024-7592)."""
        header = get_str_from_wsgi(self.environ, "HTTP_COOKIE", "")
        if len(header) > MAX_COOKIE_CHARS:
            return {}
        return parse_cookie(";".join(cookie for cookie in header.split(";") if "\\" not in cookie))

    def parse_file_upload(self, META: Any, post_data: Any) -> Any:
        """Whatever Django's parser makes of a form that can't be read is a 400."""
        try:
            return super().parse_file_upload(META, post_data)
        except (LookupError, TypeError, ValueError) as error:
            raise multipartparser.MultiPartParserError("The form can't be read.") from error


def _parameters_of_part(header: str) -> Any:
    """Without those in charsets of their own, which forms don't have (RFC 7578, section 4.2)."""
    if "*" in header:
        raise multipartparser.MultiPartParserError("The form has a parameter in a charset of its own.")
    return parse_header_parameters(header)


multipartparser.parse_header_parameters = _parameters_of_part  # type: ignore[attr-defined]  # Django has no other way in


def refuse_other_charsets(request: HttpRequest) -> None:
    """Raises UnsupportedMediaType for a body that says it is written otherwise (RFC 8259, section 8.1; WHATWG, URL)."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in _UTF8 and body_length(request):
        known = (
            "Bodies are sent in UTF-8 here."
            if request.content_type
            else "No body is read here as this Content-Type says."
        )
        raise UnsupportedMediaType("", known)
