"""Generates the documentation's pictures and docs/access.md from the code, so that they stay up to date.

scripts/pictures            draw the pictures that have changed
scripts/pictures --check    change nothing; exit 1 if a picture differs from the code
"""

import sys
from pathlib import Path

import product
from own_server import ROOT

PICTURES = ROOT / "img"


def draw() -> dict[Path, str]:
    product.load()
    # These modules are imported late, because they need the loaded Django apps.
    import access_page
    import data_model
    import endpoints

    return {
        PICTURES / "data-model.svg": data_model.draw(),
        PICTURES / "endpoints.svg": endpoints.draw(),
        ROOT / "docs" / "access.md": access_page.rendered_page(),
    }


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("Usage: scripts/pictures [--check]", file=sys.stderr)
        return 2
    stale = {
        path: picture for path, picture in draw().items() if not path.is_file() or path.read_text("utf-8") != picture
    }
    if arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} isn't what the code says: run scripts/pictures.", file=sys.stderr)
        return 1 if stale else 0
    for path, picture in stale.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture, "utf-8")
        print(f"Drew {path.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
