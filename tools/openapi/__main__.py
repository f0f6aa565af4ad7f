"""Writes the OpenAPI document from the code into docs/openapi.yaml, at a release also into docs/openapi-released.yaml.

scripts/openapi              writes docs/openapi.yaml
scripts/openapi --check      changes no file; exits 1 if docs/openapi.yaml differs from the code or breaks clients
scripts/openapi --release    writes both files; refuses if the new document breaks clients

The clients are API clients that were written for docs/openapi-released.yaml. breaking.py decides which changes break
such clients.
"""

import sys
from pathlib import Path
from typing import Any

import product
from breaking import breaks
from own_server import ROOT

WRITTEN = ROOT / "docs" / "openapi.yaml"
RELEASED = ROOT / "docs" / "openapi-released.yaml"


def render() -> str:
    product.load()
    from api.openapi.document import rendered_document

    return rendered_document()


def breaking_changes(text: str) -> list[str]:
    return breaks(_read(RELEASED.read_text("utf-8")), _read(text)) if RELEASED.is_file() else []


def _read(text: str) -> Any:
    import yaml

    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def check(text: str) -> int:
    faults = breaking_changes(text)
    for fault in faults:
        print(f"It breaks what was released: {fault}.", file=sys.stderr)
    is_stale = not WRITTEN.is_file() or WRITTEN.read_text("utf-8") != text
    if is_stale:
        print(f"{WRITTEN.relative_to(ROOT)} isn't what the code says: run scripts/openapi.", file=sys.stderr)
    return 1 if faults or is_stale else 0


def write(text: str, *paths: Path) -> int:
    for path in paths:
        path.write_text(text, "utf-8")
        print(f"Wrote {path.relative_to(ROOT)}.")
    return 0


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"], ["--release"]):
        print("Usage: scripts/openapi [--check | --release]", file=sys.stderr)
        return 2
    text = render()
    if arguments == ["--check"]:
        return check(text)
    if arguments == ["--release"]:
        if breaking_changes(text):
            return check(text)
        return write(text, WRITTEN, RELEASED)
    return write(text, WRITTEN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
