"""The settings of this project as those of a Django REST framework project that nobody has tuned."""

from config.migrator_settings import *  # noqa: F401, F403  the migrator owns the tables, so no role has to be entered
from config.settings import DATABASES, INSTALLED_APPS, JWT_KEYS, MIDDLEWARE, SIMPLE_JWT

INSTALLED_APPS = [*INSTALLED_APPS, "reference"]
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("api.")]
ROOT_URLCONF = "reference.urls"
WSGI_APPLICATION = "reference.wsgi.application"

# A connection per request would cost it five times as much of the database: too easy a win.
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "ATOMIC_REQUESTS": False}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
}

# simplejwt's own backend, with the one key; it knows no key ids.
SIMPLE_JWT |= {"ALGORITHM": "HS256", "SIGNING_KEY": JWT_KEYS.present.signing.decode()}
