"""The web server in the foreground, and the few lines that tell a newcomer what to do with it."""

import http.client
import os
import sys
import time

from config.environment import env
from dotenv import ROOT
from processes import Child, Command, Failed, check_stopped, say, start, wait

PATIENCE = 60  # Seconds until the first answer.
WELCOME = """
ready: {address}/api/v1/

  sales        oc-salesman, oc-salesman2
  management   oc-manager, oc-manager2
  support      oc-supporttech, oc-supporttech2
  auditor      oc-auditor
  external     oc-partner
  superuser    admin-oc
  password     Epic-Events-2026! (the same for all)

  documents    {address}/api/v1/docs/
  admin site   {address}/{admin_url}/
  log in       curl -X POST {address}/api/v1/users/login/ -H 'Content-Type: application/json' -d '{login}'

Ctrl-C stops it."""
LOGIN = """{"username": "oc-salesman", "password": "Epic-Events-2026!"}"""


def serve(port: int) -> int:
    """Until somebody stops it, which is how it ends well."""
    say(f"Starting the web server on 127.0.0.1:{port} …")
    command: Command = [sys.executable, "-m", "gunicorn", "--config", ROOT / "deploy" / "gunicorn.conf.py"]
    server = start(command, env=os.environ | {"PORT": str(port)})
    try:
        _wait_until_alive(server, port)
        admin_url = env("ADMIN_URL", default="hidden-admin/").strip("/")
        say(WELCOME.format(address=f"http://127.0.0.1:{port}", admin_url=admin_url, login=LOGIN))
        return wait(server)
    finally:
        if server.poll() is None:
            server.terminate()
        wait(server)


def _wait_until_alive(server: Child, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _is_alive(port):
        check_stopped()
        if server.poll() is not None:
            raise Failed("The web server ended while starting; it says why above.")
        if time.monotonic() > deadline:
            raise Failed(f"The web server didn't answer GET /health/live/ with 200 within {PATIENCE} s.")
        time.sleep(0.1)


def _is_alive(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/live/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
