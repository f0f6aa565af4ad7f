"""Prints how many SQL statements one request sends: `DJANGO_SETTINGS_MODULE=… statements.py PATH TOKEN`."""

import sys

import django
import stage  # noqa: F401  makes the project importable

django.setup()

# The models have to be loaded before these can be.
from django.db import connection  # noqa: E402  # needs the loaded apps
from django.test import Client  # noqa: E402  # as above
from django.test.utils import CaptureQueriesContext  # noqa: E402  # as above

_, path, token = sys.argv
client = Client(SERVER_NAME="127.0.0.1", HTTP_AUTHORIZATION=f"Bearer {token}")
client.get(path)  # takes requests of the limit, by the dozen
with CaptureQueriesContext(connection) as captured:
    assert client.get(path).status_code == 200
print(sum(query["sql"] not in ("BEGIN", "COMMIT") for query in captured))
