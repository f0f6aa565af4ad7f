"""Draws the pictures of the documentation from the code, and writes docs/access.md, so that they can't tell what was true once.

scripts/pictures            draw them anew
scripts/pictures --check    change nothing; exit 1 where a picture differs from the code
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "img"

# Nothing is opened or signed. These go before .env and the machine's own settings, so that all machines draw the same.
_SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "APP_ENV": "local",
    "SECRET_KEY": "only for drawing: nothing is signed with this, nowhere and never",
    "JWT_SIGNING_KEY": "only for drawing: no token is signed",
    "PG_HOST": "nowhere.invalid",
    "PG_PASSWORD": "none",
}


def draw() -> dict[Path, str]:
    os.environ.update(_SETTINGS)
    sys.path.insert(0, str(ROOT / "eecrm"))
    import django

    django.setup()
    # Not before: they read the loaded apps.
    import data_model
    import endpoints
    from access import page

    return {
        PICTURES / "data-model.svg": data_model.draw(),
        PICTURES / "endpoints.svg": endpoints.draw(),
        ROOT / "docs" / "access.md": page.written(),
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
