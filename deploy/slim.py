"""Takes out of the installed packages what production never reads: `python deploy/slim.py`, after `pip install`, for an image.

With another directory than this Python's own packages: `python deploy/slim.py DIRECTORY`. What is left works as before:
`scripts/bench footprint` serves the API with it.
"""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# The API and the admin site speak English (LANGUAGE_CODE); imports know countries in French too.
_LANGUAGES = {"en", "en_GB", "fr"}
_TRANSLATIONS = ("*/LC_MESSAGES/*.mo", "*/LC_MESSAGES/*.po")
_SOURCES = ("*.po", "*.map")  # of translations, and of minified scripts
_TESTS = ("*/tests/*",)  # of the packages themselves


def never_read(packages: Path) -> Iterator[Path]:
    for path in packages.rglob("*"):
        if path.is_file() and _is_never_read(path.relative_to(packages)):
            yield path


def _is_never_read(path: Path) -> bool:
    if any(path.match(pattern) for pattern in _TRANSLATIONS) and path.parts[-3] not in _LANGUAGES:
        return True
    return any(path.match(pattern) for pattern in (*_SOURCES, *_TESTS))


def main(packages: Path) -> None:
    freed = 0
    for path in list(never_read(packages)):
        freed += path.stat().st_size
        path.unlink()
    print(f"{freed / 1e6:.1f} MB taken out of {packages}.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else sysconfig.get_path("purelib")))
