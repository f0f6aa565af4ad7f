"""The text of requests is UTF-8, whatever charset a caller names."""

from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType

from api.bounds import body_length

_UTF8 = ("utf-8", "utf8")


class UTF8Request(WSGIRequest):
    """Reads the query and forms as UTF-8, and never asks Python for the charset that a caller names: Python keeps each name
    for good, and some of its codecs make no text. It reads no query before a middleware can answer."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        header = str(meta.get("CONTENT_TYPE", ""))
        if "*=" in header:  # a parameter that names a charset of its own (RFC 2231), which no client of ours needs
            self.content_type, self.content_params = "", {"charset": "unreadable"}
        else:
            self.content_type, self.content_params = parse_header_parameters(header)


def refuse_other_charsets(request: HttpRequest) -> None:
    """Raises UnsupportedMediaType for a body that says it is written otherwise (RFC 8259, section 8.1; WHATWG, URL)."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in _UTF8 and body_length(request):
        raise UnsupportedMediaType("", "Bodies are sent in UTF-8 here.")
