"""Loads the Django project without a database, for tools that generate documents from its permissions and rules."""

import os
import sys

from own_server import ROOT

# These settings are examples, which are never used to connect or to sign.
# The example settings override .env and the generated settings, so that all machines generate the same documents.
_SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "APP_ENV": "local",
    "SECRET_KEY": "only for writing: nothing is signed with this, nowhere and never",
    "JWT_SIGNING_KEY": "only for writing: no token is signed",
    "SECOND_FACTOR_KEY": "b25seSBmb3Igd3JpdGluZzogbm8gc2VlZCBpcyByZWE=",
    "PG_HOST": "nowhere.invalid",
    "PG_PASSWORD": "none",
}


def load() -> None:
    os.environ.update(_SETTINGS)
    sys.path.insert(0, str(ROOT / "eecrm"))
    import django

    django.setup()
