"""Entry point for the WSGI server (gunicorn)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from django.core.management.base import BaseCommand  # noqa: E402  # this import needs the loaded apps
from django.db import connection  # noqa: E402  # this import needs the loaded apps

from access.database import refuse_privileged_role  # noqa: E402
from api.requests.wsgi_request import UTF8Request  # noqa: E402

application.request_class = UTF8Request

# Django runs its system checks before a command, but not before it serves requests. So this module does.
BaseCommand().check()
refuse_privileged_role()
# gunicorn forks its workers from this process, and the workers must not share a database connection.
connection.close()
