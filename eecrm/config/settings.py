"""Django settings. Every value that differs between machines comes from an environment variable.

With APP_ENV=local, `scripts/run` generates the secrets, and other variables have defaults. With APP_ENV=production,
secrets and variables are required, and weak values are refused.
"""

import re
from datetime import timedelta
from zoneinfo import available_timezones

from access.policy import Role
from access.secret_strength import is_weak
from accounts.admin_login.seeds import factor_keys, read_previous_seed_keys, read_seed_key
from accounts.login.signing_keys import ALGORITHMS, key_ring, read_previous_keys, read_signing_key
from api.spelling import has_invisible, normalise_title
from config.environment import IS_PRODUCTION, ROOT, attempt, collect_faults, env, number, refuse_faults
from config.environment import require as _require

collect_faults()

from config import database_settings, mail_settings  # noqa: E402  # after collect_faults(), which collects their faults
from config.alert_settings import *  # noqa: E402, F401, F403  # all names of this module are settings
from config.cors_settings import *  # noqa: E402, F401, F403  # all names of this module are settings
from config.hosts import is_listed_address, is_web_address, ports_by_host  # noqa: E402
from config.mail_settings import *  # noqa: E402, F401, F403  # all names of this module are settings
from config.resources import RESOURCES  # noqa: E402
from config.server_settings import *  # noqa: E402, F401, F403  # all names of this module are settings


def _comma_separated(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


# Usual words in the URLs of admin sites. Scanners try these words, alone or together, as in `hidden-admin`.
_USUAL_WORDS = re.compile(
    r"administrat[a-z]*|admin|back|office|cms|console|control|crm|dashboard|django|epic|events?|hidden|home|"
    r"interface|internal|intranet|login|manage(r|ment)?|panel|portal|private|root|secret|secure|site|staff|super|user|"
    r"web|wp"
)


def _can_be_guessed(path: str) -> bool:
    """Returns True if a scanner could guess the path.

    The usual words are removed from the path first. A scanner could guess the path if fewer than 8 letters and digits
    are left, or fewer than 6 different ones.
    """
    rest = re.sub(r"[^a-z0-9]", "", _USUAL_WORDS.sub("", path.lower()))
    return len(rest) < 8 or len(set(rest)) < 6


DEBUG = env("DEBUG", default=False, cast=bool)
SECRET_KEY = env("SECRET_KEY")
_algorithm = env("JWT_ALGORITHM", default="HS256")
_require(_algorithm in ALGORITHMS, f"JWT_ALGORITHM must be one of {', '.join(ALGORITHMS)}.")
JWT_KEYS = attempt(
    key_ring,
    present=attempt(read_signing_key, text=env("JWT_SIGNING_KEY"), algorithm=_algorithm),
    previous=attempt(read_previous_keys, texts=env("JWT_PREVIOUS_KEYS", default="")),
)
# Maps a host name to its ports (`ports_by_host`). `api.requests.hosts` checks ports; Django checks names only.
ALLOWED_PORTS = (
    attempt(
        ports_by_host,
        entries=env(
            "ALLOWED_HOSTS", cast=_comma_separated, **({} if IS_PRODUCTION else {"default": "127.0.0.1,localhost"})
        ),
        unnamed="" if IS_PRODUCTION else "*",
    )
    or {}
)
ALLOWED_HOSTS = list(ALLOWED_PORTS)
ADMIN_URL = env("ADMIN_URL", **({} if IS_PRODUCTION else {"default": "hidden-admin/"})).strip("/") + "/"
# Number of our own proxies in front of the server.
# The server trusts this number of entries at the end of the header X-Forwarded-For.
TRUSTED_PROXIES = number(
    "TRUSTED_PROXIES",
    "TRUSTED_PROXIES is a number of proxies: 0 or more, and 100 at most.",
    0,
    100,
    **({} if IS_PRODUCTION else {"default": 0}),
)
# Names of user groups. `migrate` creates the missing groups.
# These groups give no permissions. Code can check the membership with `belongs_to_groups`.
GROUPS = [normalise_title(name) for name in env("GROUPS", default="", cast=_comma_separated)]

_require(
    all(name and len(name) <= 150 and not has_invisible(name) for name in GROUPS),
    "GROUPS holds names of 150 characters at most, none of which is one that nobody sees, with commas between.",
)
_require(not is_weak(SECRET_KEY, 50), "SECRET_KEY is weak: use 50 random characters or more.")
_require(
    re.fullmatch(r"(\w[\w.~-]*/)+", ADMIN_URL, re.ASCII) is not None
    and ADMIN_URL.split("/")[0].lower() not in {"account", "admin", "api", "health", "static"},
    "ADMIN_URL must be a path of its own that nobody guesses: letters, digits and - _ . ~, with / between.",
)
# `required`: staff must have a second factor for the admin site and the API. `optional`: they may have one.
SECOND_FACTOR = env("SECOND_FACTOR", default="required" if IS_PRODUCTION else "optional")
_require(SECOND_FACTOR in {"required", "optional"}, "SECOND_FACTOR is required or optional.")
SECOND_FACTOR_KEYS = attempt(
    factor_keys,
    present=attempt(read_seed_key, text=env("SECOND_FACTOR_KEY")),
    previous=attempt(read_previous_seed_keys, texts=env("SECOND_FACTOR_PREVIOUS_KEYS", default="")),
)
# Name under which an authenticator app lists our codes. The apps' address format separates name and account by a colon.
OTP_TOTP_ISSUER = env("TOTP_ISSUER", default="Epic Events CRM")
_require(
    0 < len(OTP_TOTP_ISSUER) <= 50 and ":" not in OTP_TOTP_ISSUER,
    "TOTP_ISSUER is a name of 1 to 50 characters without a colon.",
)
# Identity provider for logins from outside: AWS Cognito or any other OpenID Connect issuer.
OIDC_ISSUER = env("OIDC_ISSUER", default="")
OIDC_JWKS_URL = env("OIDC_JWKS_URL", default="")
OIDC_CLIENT_IDS = env("OIDC_CLIENT_IDS", default="", cast=_comma_separated)
OIDC_CREATE_ACCOUNTS = env("OIDC_CREATE_ACCOUNTS", default=False, cast=bool)
OIDC_TYPED_TOKENS = env("OIDC_TYPED_TOKENS", default=False, cast=bool)
_provider = {"OIDC_ISSUER": OIDC_ISSUER, "OIDC_JWKS_URL": OIDC_JWKS_URL, "OIDC_CLIENT_IDS": OIDC_CLIENT_IDS}
if any(_provider.values()):
    _missing = ", ".join(name for name, value in _provider.items() if not value)
    _require(not _missing, f"{_missing} must be set as well: an identity provider takes {', '.join(_provider)}.")
    for _name, _url in (("OIDC_ISSUER", OIDC_ISSUER), ("OIDC_JWKS_URL", OIDC_JWKS_URL)):
        _require(
            not _url or is_web_address(_url, "https", *([] if IS_PRODUCTION else ["http"])),
            f"{_name} must be an address with https:// (http:// will do locally).",
        )
    _require(len(OIDC_ISSUER) <= 200, "OIDC_ISSUER is too long: 200 characters at most.")
else:
    _require(not OIDC_CREATE_ACCOUNTS, f"OIDC_CREATE_ACCOUNTS needs an identity provider: set {', '.join(_provider)}.")

if IS_PRODUCTION:
    _require(not DEBUG, "DEBUG must be off in production.")
    _require(bool(ALLOWED_HOSTS) and "*" not in ALLOWED_HOSTS, "ALLOWED_HOSTS must list the host names by name.")
    _require(
        all("*" not in ports for ports in ALLOWED_PORTS.values()),
        "ALLOWED_HOSTS must list each port, or none where it is the usual one.",
    )
    _require(
        not (ALLOWED_PORTS and is_web_address(mail_settings.PUBLIC_URL, "https"))
        or is_listed_address(mail_settings.PUBLIC_URL, ALLOWED_PORTS),
        "PUBLIC_URL has a host or a port that ALLOWED_HOSTS doesn't list: no link in a mail would work.",
    )
    _require(
        not _can_be_guessed(ADMIN_URL),
        "ADMIN_URL can be guessed: use 8 letters and digits or more, besides words such as admin, hidden or crm.",
    )

# Each secret has one purpose. So the mail server's administrator, for example, learns only the mail password.
_PURPOSES = {
    "SECRET_KEY": "sessions",
    "JWT_SIGNING_KEY": "tokens",
    "JWT_PREVIOUS_KEYS": "tokens",
    "SECOND_FACTOR_KEY": "second factors",
    "SECOND_FACTOR_PREVIOUS_KEYS": "second factors",
    "EMAIL_HOST_PASSWORD": "mail",
    "PG_PASSWORD": "database",
}
_first_named: dict[str, str] = {}  # maps the value of each secret to the first variable that has this value
for _name, _purpose in _PURPOSES.items():
    _text = env(_name, default="")
    for _secret in _comma_separated(_text) if _name.endswith("_PREVIOUS_KEYS") else filter(None, [_text]):
        _other = _first_named.setdefault(_secret, _name)
        _require(_PURPOSES[_other] == _purpose, f"{_name} must not be the {_other}: each secret has one purpose.")

INSTALLED_APPS = [
    "access",
    "accounts",  # before django.contrib.auth, because `accounts` overrides commands of that app
    "config.apps.EpicEventsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "phonenumber_field",
    "corsheaders",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "api",
    "audit",
    *dict.fromkeys(viewset.partition(".")[0] for viewset in RESOURCES.values()),
]

MIDDLEWARE = [
    "api.requests.middleware.RequestMiddleware",
    "corsheaders.middleware.CorsMiddleware",  # early, so that refusals of later middlewares get CORS headers too
    "api.requests.hosts.HostMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.page_middleware.StaticFilesMiddleware",
    "config.page_middleware.SessionMiddleware",
    "config.page_middleware.CommonMiddleware",
    "api.requests.compression.CompressionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.page_middleware.AuthenticationMiddleware",
    "config.page_middleware.MessageMiddleware",
    "config.page_middleware.PageSessionLimitMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "api.requests.middleware.ProblemMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
# If a URL lacks the final slash, the 404 says so. A redirect would lose the body of a POST.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "eecrm" / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

_database = {
    "NAME": env("PG_DATABASE", default="eecrm"),
    "USER": env("PG_USER", default="eecrm_app"),
    "PASSWORD": env("PG_PASSWORD"),
}
for _name, _variable in (("NAME", "PG_DATABASE"), ("USER", "PG_USER"), ("PASSWORD", "PG_PASSWORD")):
    _require(bool(_database[_name]), f"{_variable} is empty.")
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "config.postgresql",
        "HOST": database_settings.HOSTS,
        "PORT": database_settings.PORTS,
        "OPTIONS": {
            **database_settings.OPTIONS,
            "connect_timeout": 2,  # seconds to wait for each host
            # On an idle connection a lost server is noticed within a minute (`idle` and `interval`, seconds).
            # During a statement a lost server is noticed before gunicorn's timeout (`tcp_user_timeout`, milliseconds).
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # Each HTTP request is one transaction, because the user's PostgreSQL role is entered for one transaction.
        "ATOMIC_REQUESTS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "admin:index"  # page after a login if the parameter `next` leads to another site
# The system check auth.W004 complains that usernames aren't unique, but they are.
# The check overlooks the constraint in `accounts.models.User`, because this constraint has a condition.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = ["accounts.login.credentials.AccountBackend"]
PASSWORD_HASHERS = ["accounts.passwords.hashers.TunedArgon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.validators.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "accounts.passwords.validators.ContextValidator"},
]
PASSWORD_RESET_TIMEOUT = 7 * 24 * 60 * 60  # seconds; the longest lifetime of a link in accounts.passwords.links

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.login.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["access.permissions.PolicyPermission"],
    "DEFAULT_PARSER_CLASSES": ["api.requests.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["api.requests.renderers.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.requests.renderers.OnlyJSON",
    "DEFAULT_SCHEMA_CLASS": "api.openapi.auto_schema.ProblemAutoSchema",
    "DEFAULT_METADATA_CLASS": "api.requests.renderers.AllowedMethods",
    "EXCEPTION_HANDLER": "api.requests.problems.handle_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",  # api.times, which formats all other moments of answers, reads it
}

# Each token has an audience and an issuer (RFC 9068), and the server checks both (RFC 8725).
SIMPLE_JWT = {
    "SIGNING_KEY": "",  # simplejwt gets no key: accounts.login.tokens signs and verifies tokens with JWT_KEYS
    "ISSUER": "epic-events-crm",
    "AUDIENCE": "epic-events-api",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "TOKEN_OBTAIN_SERIALIZER": "accounts.serializers.LoginSerializer",
}

# Maps the name of a rate limit to (requests, seconds).
# RATE_LIMIT_FACTOR scales only the limits `anonymous`, `read…`, `write…`, `own_logins` and `login`.
# `read` and `write` limit one account, `read.external` one account with this role, `anonymous` one IP address,
# `own_logins` one login.
_FACTOR = number(
    "RATE_LIMIT_FACTOR",
    "RATE_LIMIT_FACTOR must be a number from 0.0001 to 100,000: 1 keeps the limits as they are.",
    0.0001,
    100_000,  # maximum: with this factor, the largest limit still fits into PostgreSQL's integer
    default=1.0,
    cast=float,
)
_PER_MINUTE = {
    "anonymous": 3_000,
    "read": 12_000,
    "read.external": 1_200,
    "write": 6_000,
    "write.external": 300,
    "own_logins": 60,  # requests of one login that end logins or change the password
    "login": 600,  # logins per IP address, successful or not, counted before the password is hashed
}
RATE_LIMITS = {name: (max(1, round(requests * _FACTOR)), 60) for name, requests in _PER_MINUTE.items()} | {
    # Wrong entries of the current password by a logged-in user, for example in the form that changes the password.
    "own_password": (20, 600),
    # Password changes of an account with the current password. Each change makes the account's reset links invalid.
    # Without this limit, a thief who knows the password could make each link invalid before the owner uses it.
    "own_password_change": (5, 86_400),
    # Wrong entries of the account's password on the page that confirms an email address which another user has set.
    "address_link": (10, 86_400),
    "address_change": (5, 86_400),  # new email addresses that an account may request
    "own_name": (100, 86_400),  # changes of an account's own name; the audit trail keeps each name
    "stranger": (6, 86_400),  # mails to an email address that its account hasn't confirmed
    "forgotten": (300, 600),  # password reset requests per IP address, which an office may share
    "forgotten_same": (5, 600),  # password reset requests for the same account
    # Failed logins per IP address. The period is short, because a whole office may share an IP address.
    "login_failed_address": (300, 300),
    "login_failed_account": (100, 3_600),  # failed logins per account (NIST SP 800-63B-4, section 3.2.2)
    # Failed logins for one account from one IP address.
    # `login_failed_here` is lower than the account's limit, so that one IP address can't use up the account's limit.
    "login_failed_here": (20, 3_600),
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Epic Events CRM",
    "DESCRIPTION": (
        "Clients, their contracts and the events that follow.\n\n"
        "Log in with `auth_login`, then send `Authorization: Bearer …`; exchange the refresh token before the access "
        "token ends. Errors are problem documents (RFC 9457), and each 403 and 409 names its rule. Send an "
        "`Idempotency-Key` with what creates something, and `If-Match` with what changes something. Answers may get "
        "new members: ignore what you don't know. Every path answers HEAD and OPTIONS as well, and 405 with `Allow` to "
        "methods that it doesn't have.\n\n"
        "A login ends after 30 days, however often it is refreshed: `login_ends_at` tells when.\n\n"
        f"Rate limits by role, in requests a minute: an account of the staff reads {_PER_MINUTE['read']:,} and writes "
        f"{_PER_MINUTE['write']:,} times, an account of a partner (role `external`) {_PER_MINUTE['read.external']:,} and "
        f"{_PER_MINUTE['write.external']:,} times. An IP address sends {_PER_MINUTE['anonymous']:,} requests without a "
        f"token, of which {_PER_MINUTE['login']:,} may be logins. An installation may have other limits: "
        "`RateLimit-Policy` has the one that counts, and a 429 has `Retry-After`."
    ),
    "TAGS": [
        {"name": "auth", "description": "Log in and out: a pair of tokens for each device."},
        {"name": "me", "description": "One's own account, its permissions, its logins."},
        {"name": "contacts", "description": "The people that clients and events may be given to."},
        {"name": "sync", "description": "Offline copies: what has changed of all that one sees."},
        {"name": "catalogue", "description": "The endpoints, for a first look."},
    ],
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["access.permissions.Public"],
    # OpenAPI 3.1 schemas are plain JSON Schema, so tests validate the API's answers with the published document.
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["api.openapi.document.name_enums", "api.openapi.document.finish"],
    "ENUM_NAME_OVERRIDES": {
        "ResourceType": list(RESOURCES),
        "RemovalOperation": ["delete", "revoke"],
        "Role": "access.policy.Role",
        "AccountRole": [choice for choice in Role.choices if choice[0] != Role.SUPERUSER],
        "Currency": "contracts.models.Contract.Currency",
        "HistoryAction": ["create", "update", "delete"],
        "Channel": "audit.models.CHANNELS",
    },
}

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("fr", "Français")]
LOCALE_PATHS = [ROOT / "eecrm" / "config" / "locale"]
# The API and the database use UTC. Pages for people show and take local times of this zone.
TIME_ZONE = "UTC"
STAFF_TIME_ZONE = env("STAFF_TIME_ZONE", default="Europe/Paris")
_require(
    STAFF_TIME_ZONE in available_timezones(), "STAFF_TIME_ZONE is a name of the tz database, such as Europe/Paris."
)
USE_TZ = True

STATIC_URL = "static/"
# The server reads static files from the installed packages, so that no start needs `collectstatic`.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 600  # seconds in a browser's cache, because each request for a file counts in a rate limit

SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"  # with `no-referrer` browsers leave out a form's origin, so the CSRF check fails
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SESSION_COOKIE_SECURE = IS_PRODUCTION
# An admin session ends after ADMIN_SESSION_IDLE without a request, and always ADMIN_SESSION_AGE after the login.
ADMIN_SESSION_IDLE = timedelta(minutes=30)
ADMIN_SESSION_AGE = timedelta(hours=8)
SESSION_COOKIE_AGE = int(ADMIN_SESSION_AGE.total_seconds())
SESSION_ENGINE = "accounts.admin_login.session_store"
# The session cookie, the cookie with the time of the last request, and the CSRF cookie end when the browser closes.
# Browsers accept a cookie whose name begins with `__Host-` only over https and from this host (RFC 6265bis).
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "__Host-eecrm_session" if IS_PRODUCTION else "eecrm_session"
LAST_USE_COOKIE_NAME = "__Host-eecrm_last_use" if IS_PRODUCTION else "eecrm_last_use"  # `session_limits`
CSRF_COOKIE_NAME = "__Host-eecrm_csrf" if IS_PRODUCTION else "eecrm_csrf"
CSRF_COOKIE_AGE = None
BROWSER_COOKIE_NAME = "__Host-eecrm_browser" if IS_PRODUCTION else "eecrm_browser"  # `accounts.login.browsers`
CSRF_COOKIE_SECURE = IS_PRODUCTION
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes of a request body without files
# Maximum bytes of a file in a form. A larger file is dropped while it arrives, and nothing is written to disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
CSRF_FAILURE_VIEW = "accounts.passwords.pages.form_refused"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "api.requests.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # The logger `django.request` is silent, because api.requests.middleware logs each 4xx and 5xx answer already.
        "django.request": {"level": "CRITICAL"},
    },
}

refuse_faults()  # called last, so that all faults of the settings are reported at once
