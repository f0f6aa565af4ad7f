"""The settings as a process of their own reads them: a fork of one that has imported all that they import, for speed."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

from config.environment import ROOT

STRONG = {
    "APP_ENV": "production",
    "SECRET_KEY": "one long text of sessions for tests alone: fjord quartz vex",
    "JWT_SIGNING_KEY": "a text of tokens: bright vixens jump",
    "SECOND_FACTOR_KEY": "YSBrZXkgb2Ygc2Vjb25kIGZhY3RvcnMsIGp1c3QgMzI=",
    "ALLOWED_HOSTS": "crm.epic.example",
    "ADMIN_URL": "some-hidden-place/",
    "PUBLIC_URL": "https://crm.epic.example",
    "EMAIL_HOST": "mail.epic.example",
    "EMAIL_HOST_USER": "crm",
    "EMAIL_HOST_PASSWORD": "a password of the mail server",
    "DEFAULT_FROM_EMAIL": "Epic Events CRM <no-reply@epic.example>",
    "PG_HOST": "127.0.0.1",
    "PG_PASSWORD": "app",
    "PG_SSLROOTCERT": "system",
    "TRUSTED_PROXIES": "1",
}
SHOW = (
    "import config.settings as settings; print(settings.ADMIN_URL, settings.DATABASES['default']['OPTIONS']['sslmode'])"
)

# A child has none of the project's own modules, so it reads them as a new process would.
_NURSERY = """
import json, os, sys, traceback
import config.settings
for name, module in list(sys.modules.items()):
    if (getattr(module, "__file__", None) or "").startswith(os.getcwd()):
        del sys.modules[name]
for line in sys.stdin:
    environment, code, told, errors = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        sys.stdout, sys.stderr = open(told, "w"), open(errors, "w")
        status = 0
        try:
            exec(code, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.close()
        sys.stderr.close()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def _environment(changes: dict[str, str | None]) -> dict[str, str]:
    """This alone, away from any .env of the checkout."""
    chosen = {name: value for name, value in (STRONG | changes).items() if value is not None}
    return {"PATH": os.environ["PATH"], "EECRM_HOME": "/nonexistent"} | chosen


@cache
def _nursery() -> "subprocess.Popen[str]":
    """It ends with its standard input, which is when this process ends."""
    return subprocess.Popen(
        [sys.executable, "-c", _NURSERY], env=_environment({}), cwd=ROOT / "eecrm", text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def start(changes: dict[str, str | None], code: str = SHOW) -> "CompletedProcess[Any]":
    """Runs `code` (by default: load the settings, and show two) in the strong environment with these changes."""
    nursery = _nursery()
    with TemporaryDirectory() as directory:
        told, errors = Path(directory, "told"), Path(directory, "errors")
        print(json.dumps([_environment(changes), code, str(told), str(errors)]), file=nursery.stdin)
        status = int(nursery.stdout.readline())  # type: ignore[union-attr]  # it has pipes
        return CompletedProcess([], status, told.read_text(), errors.read_text())
