"""Runs the web server and the worker in the foreground, and prints addresses and accounts for a new user."""

import http.client
import os
import sys
import time
from subprocess import TimeoutExpired

from dotenv import ROOT
from processes import Child, Command, Failed, check_foundations, check_stopped, say, start, wait

from config.environment import HOME, env

MAX_START_SECONDS = 60  # seconds to wait for the web server's first answer
RESTART_DELAY_SECONDS = 5  # seconds to wait before a worker that has ended is started again
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
  mail         {mail}
  forgotten?   {address}/account/forgotten/
  log in       curl -X POST {address}/api/v1/users/login/ -H 'Content-Type: application/json' -d '{login}'

Ctrl-C stops it."""
LOGIN = """{"username": "oc-salesman", "password": "Epic-Events-2026!"}"""


def serve(port: int) -> int:
    """Runs the web server and the worker until a signal stops them. Returns the exit status of the web server."""
    say(f"Starting the web server on 127.0.0.1:{port} …")
    os.environ["PORT"] = str(port)  # gunicorn uses this port, and so do the links in mails
    command: Command = [sys.executable, "-m", "gunicorn", "--config", ROOT / "deploy" / "gunicorn.conf.py"]
    server = start(command)
    try:
        _wait_until_alive(server, port)
        _welcome(f"http://127.0.0.1:{port}")
        _keep_worker_running(server)
        return wait(server)
    finally:
        _stop(server)


def _welcome(address: str) -> None:
    server = env("EMAIL_HOST", default="")
    mail = f"goes out through {server}" if server else f"lands in {HOME / 'mail'}, one file each"
    admin_url = env("ADMIN_URL", default="hidden-admin/").strip("/")
    say(WELCOME.format(address=address, admin_url=admin_url, mail=mail, login=LOGIN))


def _keep_worker_running(server: Child) -> None:
    """Keeps a worker running as long as the web server runs.

    If the worker ends, another worker is started.
    The new worker repeats the unfinished jobs after their lease (the time for which a worker holds a job) has expired.
    Raises Failed if PostgreSQL has ended.
    """
    command: Command = [sys.executable, ROOT / "eecrm" / "manage.py", "run_worker"]
    worker = start(command)
    try:
        while not _has_ended(server, within=1):
            check_foundations()
            if worker.poll() is not None and not _has_ended(server, within=RESTART_DELAY_SECONDS):
                check_stopped()
                say(f"The worker ended with status {wait(worker)}; starting it again. Mails wait in the meantime.")
                worker = start(command)
    finally:
        _stop(worker)


def _has_ended(child: Child, *, within: float) -> bool:
    try:
        child.wait(within)
    except TimeoutExpired:
        return False
    return True


def _stop(child: Child) -> None:
    if child.poll() is None:
        child.terminate()
    wait(child)


def _wait_until_alive(server: Child, port: int) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
    while not _is_alive(port):
        check_stopped()
        if server.poll() is not None:
            raise Failed("The web server ended while starting; it says why above.")
        if time.monotonic() > deadline:
            raise Failed(f"The web server didn't answer GET /health/live/ with 200 within {MAX_START_SECONDS} s.")
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
