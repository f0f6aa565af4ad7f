"""postman/: written from the OpenAPI document, compared with it, or sent by Newman to a server of our own."""

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


def stale() -> dict[Path, str]:
    made = {TARGET / name: text for name, text in collection.files(Document()).items()}
    return {path: text for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text}


def check() -> int:
    found = stale()
    for path in found:
        print(f"{path.relative_to(ROOT)} isn't what the document gives: run scripts/postman.", file=sys.stderr)
    return 1 if found else 0


def write() -> int:
    TARGET.mkdir(exist_ok=True)
    for path, text in stale().items():
        path.write_text(text, "utf-8")
        print(f"Wrote {path.relative_to(ROOT)}.")
    return 0


def send() -> int:
    """Twice, as whoever tries it out will do: the second time it logs in anew, and meets what the first one left."""
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
    return results.tell(json.loads(report.read_text("utf-8"))["run"])


def main(*arguments: str) -> int:
    jobs = {(): write, ("--check",): check, ("--run",): send}
    if arguments not in jobs:
        sys.exit("Usage: scripts/postman [--check | --run]")
    return jobs[arguments]()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
