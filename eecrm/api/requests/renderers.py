"""Rendering of answers, and content negotiation: the API answers with JSON only."""

from datetime import datetime
from typing import Any

import orjson
from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer

from api.times import format_moment


class JSONText(str):
    """Finished JSON text that PostgreSQL has rendered. The renderer sends it unchanged."""


class OrjsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        if isinstance(data, JSONText):
            return data.encode()
        return orjson.dumps(data, default=_text_of, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _text_of(value: Any) -> str:
    return format_moment(value) if isinstance(value, datetime) else str(value)


class OnlyJSON(BaseContentNegotiation):
    """Ignores the header `Accept`. RFC 9110, section 12.5.1, allows this if a server has only one representation."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class AllowedMethods(BaseMetadata):
    """Answers OPTIONS with the methods of a path (RFC 9110, section 9.3.7). The OpenAPI document describes the rest."""

    def determine_metadata(self, request: Any, view: Any) -> dict[str, Any]:
        return {"methods": view.allowed_methods}
