"""CORS settings: the origins (web sites) whose pages may call the API from a browser (Fetch standard).

Cookies aren't allowed: a page sends its user's token or gets 401. An origin that isn't listed gets no CORS header.
"""

import re

from config.environment import IS_PRODUCTION, env
from config.environment import require as _require
from config.hosts import is_web_address

# An origin as a browser sends it (RFC 6454, section 6.2): lower case, no default port, no path.
# An origin in another spelling is refused, because it would never match the origin that a browser sends.
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:]+\]|[a-z0-9.-]*[a-z0-9])(?!:(?:80|443)\Z)(:[1-9][0-9]{1,4})?")

CORS_ALLOWED_ORIGINS = env(
    "CORS_ORIGINS", default="", cast=lambda text: [name.strip() for name in text.split(",") if name.strip()]
)
for _origin in CORS_ALLOWED_ORIGINS:
    _require(
        _ORIGIN.fullmatch(_origin) is not None
        and is_web_address(_origin, "https", *([] if IS_PRODUCTION else ["http"])),
        "CORS_ORIGINS holds origins as https://app.epic.example, in lower case, without a path or a usual port, and "
        "with commas between (http:// will do locally).",
    )

CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CORS_ALLOW_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Change-Reason",
    "X-Request-ID",
)
CORS_EXPOSE_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
    "Deprecation",
    "Sunset",
    "Link",
)
CORS_PREFLIGHT_MAX_AGE = 7_200  # seconds; Chromium keeps preflight responses for at most this time
