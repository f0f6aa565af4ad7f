"""Generates the Postman collection in postman/ from the OpenAPI document, checks these files, or sends the requests."""

import sys
from pathlib import Path

import collection
import newman
import proofs
import results
from document import Document
from own_server import ROOT, running
from stories.rate_limit import RATE_LIMIT


def stale_files() -> dict[Path, str]:
    files = {newman.TARGET / name: text for name, text in collection.files(Document()).items()}
    return {path: text for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text}


def check() -> int:
    stale = stale_files()
    for path in stale:
        print(f"{path.relative_to(ROOT)} isn't what the document gives: run scripts/postman.", file=sys.stderr)
    return 1 if stale else 0


def write() -> int:
    newman.TARGET.mkdir(exist_ok=True)
    for path, text in stale_files().items():
        path.write_text(text, "utf-8")
        print(f"Wrote {path.relative_to(ROOT)}.")
    return 0


def send() -> int:
    """Sends the collection to a separate server, and checks the error sentences for users (proofs.py).

    The whole collection is sent twice, because it must also work with the rows that the first run has left.
    The folder that exceeds a rate limit is sent last, because the server then refuses the account for a minute.
    """
    with running(newman.HOME / "server") as server:
        print("Installing Newman …", flush=True)
        newman.install()
        print(f"Sending the collection to {server.address}, twice …", flush=True)
        api = f"{server.address}/api/v1"
        failed = 0
        for _ in range(2):
            run = newman.send(base_url=api)
            failed += results.report(run) + proofs.left_out(run)
        failed += proofs.failures(server.address)
        return min(1, failed + results.report(newman.send(RATE_LIMIT.name, base_url=api)))


def main(*arguments: str) -> int:
    jobs = {(): write, ("--check",): check, ("--run",): send}
    if arguments not in jobs:
        sys.exit("Usage: scripts/postman [--check | --run]")
    return jobs[arguments]()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
