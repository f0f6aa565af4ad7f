"""Django settings. Every value that differs between machines comes from the environment, by name.

APP_ENV=local has defaults that `scripts/run` generates; APP_ENV=production has none and refuses whatever is weak.
"""

from datetime import timedelta

from config.environment import IS_PRODUCTION, ROOT, env
from config.environment import require as _require
from config.mail_settings import *  # noqa: F401, F403  # a settings module is its names


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


DEBUG = env("DEBUG", default=False, cast=bool)
SECRET_KEY = env("SECRET_KEY")
JWT_SIGNING_KEY = env("JWT_SIGNING_KEY")
ALLOWED_HOSTS = env("ALLOWED_HOSTS", cast=_names, **({} if IS_PRODUCTION else {"default": "127.0.0.1,localhost"}))
ADMIN_URL = env("ADMIN_URL", **({} if IS_PRODUCTION else {"default": "hidden-admin/"})).strip("/") + "/"
# How many proxies of ours stand in front: so many entries of X-Forwarded-For, counted from its end, are believed.
TRUSTED_PROXIES = env("TRUSTED_PROXIES", default=0, cast=int)

_require(TRUSTED_PROXIES >= 0, "TRUSTED_PROXIES is a number of proxies: 0 or more.")
_require(len(SECRET_KEY) >= 50 and len(set(SECRET_KEY)) >= 5, "SECRET_KEY is weak: use 50 random characters or more.")
# RFC 7518, section 3.2: an HS256 key is at least as long as its hash.
_require(
    len(JWT_SIGNING_KEY.encode()) >= 32 and len(set(JWT_SIGNING_KEY)) >= 5,
    "JWT_SIGNING_KEY is weak: use 32 random bytes or more.",
)
_require(JWT_SIGNING_KEY != SECRET_KEY, "JWT_SIGNING_KEY must not be the SECRET_KEY.")
_require(
    ADMIN_URL.split("/")[0] not in {"", "account", "admin", "api", "health", "static"},
    "ADMIN_URL must be a path of its own that nobody guesses.",
)
if IS_PRODUCTION:
    _require(not DEBUG, "DEBUG must be off in production.")
    _require(bool(ALLOWED_HOSTS) and "*" not in ALLOWED_HOSTS, "ALLOWED_HOSTS must list the host names by name.")

INSTALLED_APPS = [
    "access",
    "accounts",  # before django.contrib.auth, whose commands it refines
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
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "api",
    "clients",
    "contracts",
    "events",
]

MIDDLEWARE = [
    "api.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "api.middleware.ProblemMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a redirected POST would lose its body; the 404 says what is missing

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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": env("PG_HOST"),
        "PORT": env("PG_PORT", default=5432, cast=int),
        "NAME": env("PG_DATABASE", default="eecrm"),
        "USER": env("PG_USER", default="eecrm_app"),
        "PASSWORD": env("PG_PASSWORD"),
        "OPTIONS": {
            "sslmode": env("PG_SSLMODE", default="require" if IS_PRODUCTION else "prefer"),
            "connect_timeout": 2,
        },
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # A request is one transaction: the caller's database role is entered for just as long.
        "ATOMIC_REQUESTS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PasswordBackend"]
PASSWORD_HASHERS = ["accounts.hashers.TunedArgon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "accounts.passwords.ContextValidator"},
]
PASSWORD_RESET_TIMEOUT = 7 * 24 * 60 * 60  # seconds: the longest lifetime in accounts.links, which knows each

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["access.permissions.PolicyPermission"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["api.renderers.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.renderers.OnlyJSON",
    "DEFAULT_SCHEMA_CLASS": "api.schema.ProblemAutoSchema",
    "DEFAULT_METADATA_CLASS": "api.renderers.AllowedMethods",
    "EXCEPTION_HANDLER": "api.problems.handle_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# RFC 9068 asks for an audience and an issuer; RFC 8725 for checking both.
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ISSUER": "epic-events-crm",
    "AUDIENCE": "epic-events-api",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "TOKEN_OBTAIN_SERIALIZER": "accounts.serializers.LoginSerializer",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Epic Events CRM",
    "DESCRIPTION": "Clients, their contracts and the events that follow. Log in, then send `Authorization: Bearer …`.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["access.permissions.Public"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "api.schema.add_problem"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": False, "docExpansion": "none"},
    "ENUM_NAME_OVERRIDES": {
        "ClientStatus": "clients.models.Client.Status",
        "ContractStatus": "contracts.models.Contract.Status",
        "EventStatus": "events.models.Event.Status",
        "Role": "access.policy.Role",
    },
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
# Files come straight from the installed packages, so that nothing has to be collected before a start.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"  # with none at all, browsers hide the origin of a form, and CSRF fails
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SESSION_COOKIE_SECURE = IS_PRODUCTION
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_COOKIE_NAME = "eecrm_session"
CSRF_COOKIE_SECURE = IS_PRODUCTION
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes
CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "api.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # The request line of api.middleware tells each 4xx and 5xx already.
        "django.request": {"level": "CRITICAL"},
    },
}
