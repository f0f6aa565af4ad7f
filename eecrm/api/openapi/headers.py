"""OpenAPI description of response headers."""

from typing import Any

from api.resources import idempotency

REQUEST_ID_EXAMPLE = "0b9f6f0c5c8e4c0f9d3c2a1e7b6d5f4a"
_STRING_SCHEMA = {"type": "string"}


def _header(description: str, example: Any, schema: Any = _STRING_SCHEMA, *, required: bool = True) -> dict[str, Any]:
    return {"description": description, "schema": schema, "example": example} | ({"required": True} if required else {})


HEADERS = {
    "X-Request-ID": _header(
        "The id of this request: the one that the caller sent, or one that was made.", REQUEST_ID_EXAMPLE
    ),
    "RateLimit-Policy": _header(
        "The limit that applies: `q` requests in `w` seconds.", '"read";q=12000;w=60', required=False
    ),
    "RateLimit": _header(
        "`r` requests are left; `t` seconds until all are there again.", '"read";r=11990;t=1', required=False
    ),
    "Allow": _header("The methods that this path has.", "GET, POST, HEAD, OPTIONS", required=False),
    "Retry-After": _header("Seconds to wait.", 12, {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": _header("How to log in (RFC 6750).", 'Bearer realm="api"'),
    "Location": _header(
        "The address of what was made.", "https://crm.epic.example/api/v1/clients/7/",
        {"type": "string", "format": "uri"},
    ),
    "ETag": _header(
        'A strong tag of just this answer, `"<version>-<digest>"`, for If-Match and If-None-Match.',
        '"4-5c1e0f2ab3d49786"',
    ),
    idempotency.REPLAYED_HEADER: _header(
        "`true` when this is the first answer again, as it was then.", "true", {"type": "string", "enum": ["true"]},
        required=False,
    ),
}  # fmt: skip
# Every response of the API has these headers.
EVERYWHERE = ("X-Request-ID", "RateLimit-Policy", "RateLimit", "Allow")


def references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
