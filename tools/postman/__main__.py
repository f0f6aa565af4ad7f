"""Generates postman/ from the OpenAPI document, compares the two, or sends the collection with Newman."""

import json
import sys
from pathlib import Path

import collection
import node
import results
from document import Document
from own_server import LOCAL, ROOT, running

TARGET = ROOT / "postman"
HOME = LOCAL / "postman"


def stale_files() -> dict[Path, str]:
    files = {TARGET / name: text for name, text in collection.files(Document()).items()}
    return {path: text for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text}


def check() -> int:
    stale = stale_files()
    for path in stale:
        print(f"{path.relative_to(ROOT)} isn't what the document gives: run scripts/postman.", file=sys.stderr)
    return 1 if stale else 0


def write() -> int:
    TARGET.mkdir(exist_ok=True)
    for path, text in stale_files().items():
        path.write_text(text, "utf-8")
        print(f"Wrote {path.relative_to(ROOT)}.")
    return 0


def send() -> int:
    """Sends the collection twice to a separate server.

    The second run logs in again, and has to cope with the rows that the first run left.
    """
    with running(HOME / "server") as server:
        print("Installing Newman …", flush=True)
        node.packages(Path(__file__).parent, HOME)
        print(f"Sending the collection to {server.address}, twice …", flush=True)
        return max(_send_to(server.address) for _ in range(2))


def _send_to(address: str) -> int:
    report = HOME / "report.json"
    environment = [
        "--environment",
        str(TARGET / collection.LOCAL_ENVIRONMENT),
        "--env-var",
        f"base_url={address}/api/v1",
    ]
    reporting = ["--reporters", "json", "--reporter-json-export", str(report), "--suppress-exit-code"]
    command = ["newman", "run", str(TARGET / collection.COLLECTION), *environment, *reporting]
    node.run(command, HOME, NODE_NO_WARNINGS="1")
    return results.report(json.loads(report.read_text("utf-8"))["run"])


def main(*arguments: str) -> int:
    jobs = {(): write, ("--check",): check, ("--run",): send}
    if arguments not in jobs:
        sys.exit("Usage: scripts/postman [--check | --run]")
    return jobs[arguments]()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
