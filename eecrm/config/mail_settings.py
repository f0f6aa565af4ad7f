"""Settings for outgoing mail and for the address in its links."""

from urllib.parse import urlsplit

from config.environment import HOME, IS_PRODUCTION, env, number
from config.environment import require as _require

# Each link in a mail begins with this address. The Host of a request isn't used because a client can choose it.
_local_address = {}
if not IS_PRODUCTION:
    _port = number("PORT", "PORT is a number from 1 to 65535.", 1, 65535, default=8000)
    _local_address = {"default": f"http://127.0.0.1:{_port}"}
PUBLIC_URL = env("PUBLIC_URL", **_local_address).rstrip("/")
try:
    _public_url = urlsplit(PUBLIC_URL)
except ValueError:  # raised for brackets without an IPv6 address
    _public_url = urlsplit("")
_require(
    _public_url.scheme in ("http", "https")
    and bool(_public_url.hostname)
    and PUBLIC_URL == f"{_public_url.scheme}://{_public_url.netloc}"
    and "@" not in _public_url.netloc,
    "PUBLIC_URL is an address without a path, such as https://crm.epic.example.",
)

# Without a mail server each mail becomes a file in MAIL_FOLDER. Production requires a server.
_optional_locally = {} if IS_PRODUCTION else {"default": ""}
EMAIL_HOST = env("EMAIL_HOST", **_optional_locally)
EMAIL_HOST_USER = env("EMAIL_HOST_USER", **_optional_locally)
EMAIL_HOST_PASSWORD = env("EMAIL_HOST_PASSWORD", **_optional_locally)
EMAIL_SECURITY = env("EMAIL_SECURITY", default="starttls")
EMAIL_PORT = number(
    "EMAIL_PORT",
    "EMAIL_PORT is a number from 1 to 65535.",
    1,
    65535,
    default={"starttls": 587, "ssl": 465}.get(EMAIL_SECURITY, 25),
)
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "ssl"
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env(
    "DEFAULT_FROM_EMAIL", **({} if IS_PRODUCTION else {"default": "Epic Events CRM <no-reply@localhost>"})
)
MAIL_FOLDER = HOME / "mail"
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend" if EMAIL_HOST else "accounts.outbox.folder.FolderBackend"

_require(EMAIL_SECURITY in ("starttls", "ssl", "none"), "EMAIL_SECURITY is starttls, ssl or none.")
_require(
    bool(EMAIL_HOST_USER) == bool(EMAIL_HOST_PASSWORD),
    "EMAIL_HOST_USER and EMAIL_HOST_PASSWORD go together: both, or both empty for a server that asks for neither.",
)
_require("@" in DEFAULT_FROM_EMAIL, "DEFAULT_FROM_EMAIL is an email address, with or without a name.")
if IS_PRODUCTION:
    _require(_public_url.scheme == "https", "PUBLIC_URL must begin with https:// in production: links open accounts.")
    _require(bool(EMAIL_HOST), "EMAIL_HOST must name a mail server in production.")
    _require(
        EMAIL_SECURITY != "none" or not EMAIL_HOST_USER,
        "EMAIL_SECURITY must not be none where EMAIL_HOST_PASSWORD would travel in clear.",
    )
