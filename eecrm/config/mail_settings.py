"""Settings for outgoing mail, and for the first part of the URLs in mails."""

from email.errors import ObsoleteHeaderDefect
from email.policy import default as mail_policy

from api.spelling import has_invisible
from config.environment import HOME, IS_PRODUCTION, env, number
from config.environment import require as _require
from config.hosts import is_host, is_web_address
from config.server_settings import PORT


def _is_one_mailbox(text: str) -> bool:
    """True if a From header with this text has exactly one email address and no defect (RFC 5322)."""
    try:
        header = mail_policy.header_factory("From", text)
    except IndexError:  # Python's parser raises IndexError if nothing follows the @
        return False
    is_sound = all(isinstance(defect, ObsoleteHeaderDefect) for defect in header.defects)
    # `str(header)` decodes encoded words (RFC 2047), so this check also finds invisible characters in encoded words.
    return is_sound and not has_invisible(str(header)) and [group.display_name for group in header.groups] == [None]


# Each link in a mail begins with PUBLIC_URL.
# The Host header of a request isn't used for links, because the request's sender can choose any value.
PUBLIC_URL = env("PUBLIC_URL", **({} if IS_PRODUCTION else {"default": f"http://127.0.0.1:{PORT}"})).rstrip("/")
_require(
    is_web_address(PUBLIC_URL, "http", "https") and PUBLIC_URL.count("/") == 2 and not {"?", "#"} & set(PUBLIC_URL),
    "PUBLIC_URL is an address without a path, such as https://crm.epic.example.",
)

# Without a mail server each mail becomes a file in MAIL_FOLDER. Production requires a mail server.
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
# Seconds to wait for the mail server. RFC 5321 (section 4.5.3.2) asks for five minutes for an answer, and for ten
# minutes after the final dot of a mail. Many servers scan the mail between the final dot and their answer.
EMAIL_TIMEOUT = number("EMAIL_TIMEOUT", "EMAIL_TIMEOUT is a number of seconds from 1 to 3,600.", 1, 3600, default=300)
EMAIL_FINAL_TIMEOUT = number(
    "EMAIL_FINAL_TIMEOUT", "EMAIL_FINAL_TIMEOUT is a number of seconds from 1 to 3,600.", 1, 3600, default=600
)
MAX_CONNECT_SECONDS = 30  # for each IP address of the mail server
MAX_SESSION_SECONDS = 2 * EMAIL_TIMEOUT  # limit for all answers before the final dot
MAX_DELIVERY_SECONDS = MAX_SESSION_SECONDS + EMAIL_FINAL_TIMEOUT
MAX_GOODBYE_SECONDS = 5  # for the answer to QUIT; the mail is sent before
MAX_STOP_SECONDS = 60  # after the final dot, a worker that is asked to stop waits for this time
DEFAULT_FROM_EMAIL = env(
    "DEFAULT_FROM_EMAIL", **({} if IS_PRODUCTION else {"default": "Epic Events CRM <no-reply@localhost>"})
)
MAIL_FOLDER = HOME / "mail"
EMAIL_BACKEND = "accounts.outbox.smtp.LimitedBackend" if EMAIL_HOST else "accounts.outbox.folder.FolderBackend"

_require(EMAIL_SECURITY in ("starttls", "ssl", "none"), "EMAIL_SECURITY is starttls, ssl or none.")
_require(
    bool(EMAIL_HOST_USER) == bool(EMAIL_HOST_PASSWORD),
    "EMAIL_HOST_USER and EMAIL_HOST_PASSWORD go together: both, or both empty for a server that asks for neither.",
)
_require(not EMAIL_HOST or is_host(EMAIL_HOST), "EMAIL_HOST is a host name or an IP address, without a port.")
_require(bool(EMAIL_HOST) or not EMAIL_HOST_USER, "EMAIL_HOST is empty: name the mail server of EMAIL_HOST_USER.")
for _name, _value in (("EMAIL_HOST_USER", EMAIL_HOST_USER), ("EMAIL_HOST_PASSWORD", EMAIL_HOST_PASSWORD)):
    _require(_value.isascii(), f"{_name} is ASCII, because the login to a mail server takes no other characters.")
_require(
    _is_one_mailbox(DEFAULT_FROM_EMAIL), "DEFAULT_FROM_EMAIL is one email address, with or without a name before it."
)
if IS_PRODUCTION:
    _require(
        is_web_address(PUBLIC_URL, "https"), "PUBLIC_URL must begin with https:// in production: links open accounts."
    )
    _require(bool(EMAIL_HOST), "EMAIL_HOST must name a mail server in production.")
    _require(
        EMAIL_SECURITY != "none" or not EMAIL_HOST_USER,
        "EMAIL_SECURITY must not be none where EMAIL_HOST_PASSWORD would travel in clear.",
    )
