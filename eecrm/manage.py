#!/usr/bin/env python
"""Django's command line. Migrations: `manage.py migrate --settings=config.migrator_settings`."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, InterfaceError

    for position, argument in enumerate(sys.argv[1:], 1):
        try:
            argument.encode()
        except UnicodeEncodeError:  # PostgreSQL would refuse it later, with a traceback
            sys.exit(f"CommandError: Argument {position} isn't UTF-8.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"ImproperlyConfigured: {error}")
    except (DatabaseError, InterfaceError) as error:
        from access.refusals import refusal_of

        refusal = refusal_of(error)
        if refusal is None or refusal.status == 403:
            raise  # a bug, so whoever mends it needs the traceback
        # PostgreSQL's own message names the server and the cause, for example that it refuses the password.
        sys.exit(f"CommandError: {refusal.sentence}\n{error}".rstrip())
