"""Sends the Postman collection, or a part of it, with Newman, Postman's program for the command line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import collection
import node
from own_server import LOCAL, ROOT

TARGET = ROOT / "postman"
HOME = LOCAL / "postman"


def install() -> None:
    node.packages(Path(__file__).parent, HOME)


def send(
    *parts: str,
    environment: str = collection.LOCAL_ENVIRONMENT,
    kept: Mapping[str, str] | None = None,
    **variables: str,
) -> dict[str, Any]:
    """Sends the folders and requests with the names `parts`, or else the whole collection. Returns Newman's report.

    `kept` has values for the collection's own variables, as if an earlier run had set them.
    `variables` has values that replace those in the Postman environment.
    """
    source = json.loads((TARGET / collection.COLLECTION).read_text("utf-8"))
    source["variable"] += [{"key": name, "value": value} for name, value in (kept or {}).items()]
    sent, report = HOME / "sent.json", HOME / "report.json"
    sent.write_text(json.dumps(source), "utf-8")
    options = ["--environment", str(TARGET / environment)]
    for part in parts:
        options += ["--folder", part]
    for name, value in variables.items():
        options += ["--env-var", f"{name}={value}"]
    options += ["--reporters", "json", "--reporter-json-export", str(report), "--suppress-exit-code"]
    node.run(["newman", "run", str(sent), *options], HOME, NODE_NO_WARNINGS="1")
    run: dict[str, Any] = json.loads(report.read_text("utf-8"))["run"]
    return run
