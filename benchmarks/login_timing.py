"""Compares the response times of five kinds of refused logins, interleaved over HTTP. See README.md.

Different times would reveal whether an account exists.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import sys
import time

import stage
from processes import Failed, say, status_of
from servers import OURS, running

PASSWORD = "a long enough passphrase"
CASES = {
    "wrong password": "right-name",
    "unknown name": "nobody-at-all",
    "inactive account": "inactive",
    "no password": "no-password",
    "locked account": "locked",
}


def make_accounts() -> None:
    from access.database import acting_as
    from access.policy import Role
    from accounts.models import User
    from api.requests import limits

    with acting_as(Role.SUPERUSER):
        User.objects.create_user("right-name", PASSWORD)
        User.objects.create_user("locked", PASSWORD)
        User.objects.create_user("inactive", PASSWORD, is_active=False)
        User.objects.create_user("no-password")
    account = limits.limit("login_failed_account")
    limits.take((account, "locked", account.capacity))


def attempt(port: int, name: str, password: str, address: str) -> float:
    """Milliseconds of one refused login."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"username": name, "password": password})
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    started = time.perf_counter()
    connection.request("POST", "/api/v1/users/login/", body, headers)
    answer = connection.getresponse()
    answer.read()
    elapsed = (time.perf_counter() - started) * 1000
    connection.close()
    if answer.status != 401:
        raise Failed(f"{name} was answered with {answer.status}.")
    return elapsed


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench login_timing", description=__doc__)
    parser.add_argument("--logins", type=int, default=60, help="of each case")
    options = parser.parse_args(arguments)
    times: dict[str, list[float]] = {case: [] for case in CASES}
    with stage.prepared():
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        make_accounts()
        with running(OURS) as [server]:
            for number in range(options.logins + 5):
                for case in random.sample(list(CASES), len(CASES)):
                    # Each login has another client address, so that only the locked account reaches a limit.
                    address = f"10.{list(CASES).index(case)}.{number // 250}.{number % 250 + 1}"
                    # Locked and inactive accounts get the right password, because that must not be visible either.
                    password = PASSWORD if case in ("locked account", "inactive account") else "a wrong passphrase"
                    elapsed = attempt(server.port, CASES[case], password, address)
                    if number >= 5:
                        times[case].append(elapsed)
    slowest = max(statistics.median(values) for values in times.values())
    for case, values in times.items():
        median = statistics.median(values)
        say(f"{case:18} median {median:6.1f} ms, {median / slowest:6.1%} of the slowest case, n = {len(values)}")
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
