"""Tests the API with random requests (schemathesis), as each role, against a separate server with the demo data.

A failed check is a bug of the API or of the OpenAPI document. The full output is in .local/fuzz/ROLE.txt.
"""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from own_server import LOCAL, running

HERE, HOME = Path(__file__).parent, LOCAL / "fuzz"
PASSWORD = "Epic-Events-2026!"  # password of all demo accounts
ACCOUNTS = {
    "sales": "oc-salesman", "support": "oc-supporttech", "management": "oc-manager", "auditor": "oc-auditor",
    "external": "oc-partner", "superuser": "admin-oc", "anonymous": "",
}  # fmt: skip
# The checks negative_data_rejection and positive_data_acceptance are left out.
# Both of these checks expect that the schema alone decides which requests are accepted.
# In this API, rows, rules and permissions also decide if a request is accepted.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    ""
    "response_schema_conformance,unsupported_method,allow_header_conformance,use_after_free,"
    "ensure_resource_availability,ignored_auth"
)
# These operations aren't tested, because they would end the session that all other requests need.
SESSION_ENDING = ("auth_logout_everywhere", "me_change_password")


def tool() -> Path:
    """Installs schemathesis, if needed, and returns the path of its program.

    Schemathesis has a separate virtual environment, because pytest would load the plugin of schemathesis otherwise.
    """
    directory, requirements = HOME / "tools", HERE / "requirements-schemathesis.txt"
    wanted, record = hashlib.sha256(requirements.read_bytes()).hexdigest(), directory / "installed"
    if not record.is_file() or record.read_text() != wanted:
        print("Installing schemathesis …", flush=True)
        venv.create(directory, with_pip=True, clear=True)
        pip = [directory / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", requirements], check=True)
        record.write_text(wanted)
    return directory / "bin" / "st"


def post(address: str, body: dict[str, str]) -> Any:
    request = Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        return json.load(answer)


def fuzz(address: str, role: str, token: str, seconds: int, seed: int) -> tuple[int, bool]:
    """Runs schemathesis as one role. Returns the number of requests, and True if all checks passed."""
    report = HOME / f"{role}.ndjson"
    command = [
        tool(), "run", f"{address}/api/v1/schema/", "--checks", CHECKS, "--max-time", str(seconds), "--seed", str(seed),
        "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-color", "--warnings", "off",
        "--generation-database", "none", "--report-ndjson-path", report, "--output-truncate", "false",
    ]  # fmt: skip
    for operation in SESSION_ENDING if token else ():
        command += ["--exclude-operation-id", operation]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(command, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (HOME / f"{role}.txt").write_text(done.stdout)
    count = re.search(r"([\d,]+) (?:generated|test cases)", done.stdout)
    if done.returncode:
        print(done.stdout[-6_000:])
    return int(count[1].replace(",", "")) if count else 0, not done.returncode


def main(*arguments: str) -> int:
    seconds = int(arguments[0]) if arguments else 10
    roles = arguments[1:] or tuple(ACCOUNTS)
    if not 1 <= seconds <= 540 or not set(roles) <= ACCOUNTS.keys():
        sys.exit(f"Usage: scripts/fuzz [SECONDS, 540 at most] [{' | '.join(ACCOUNTS)} ...]")
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}", flush=True)
    failed = []
    with running(HOME, RATE_LIMIT_FACTOR="100000") as server:
        tool()
        users = f"{server.address}/api/v1/users/"
        # All accounts log in first, because the failing logins of schemathesis will use up this IP address's limit.
        refresh = {
            role: post(users + "login/", {"username": ACCOUNTS[role], "password": PASSWORD})["refresh"]
            for role in roles
            if ACCOUNTS[role]
        }
        for role in roles:
            token = post(users + "refresh/", {"refresh": refresh[role]})["access"] if role in refresh else ""
            requests, has_passed = fuzz(server.address, role, token, seconds, seed)
            print(f"{role:11} {requests:7,} requests, {'all well' if has_passed else 'FAILED'}", flush=True)
            failed += [] if has_passed else [role]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
