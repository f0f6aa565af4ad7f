"""Makes a container image smaller: removes files of the installed packages that production never reads.

Run this script after `pip install`:

python deploy/strip_image.py              strips the packages of the Python that runs this script
python deploy/strip_image.py DIRECTORY    strips the packages in this directory

`scripts/bench footprint` checks that the API works without these files.
"""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Translations into these languages stay in the image.
# The API and the admin site are in English, and CSV imports also accept French country names.
_LANGUAGES = {"en", "en_GB", "fr"}
_TRANSLATIONS = ("*/LC_MESSAGES/*.mo", "*/LC_MESSAGES/*.po")
_SOURCES = ("*.po", "*.map")  # sources of translations and of minified scripts
_TESTS = ("*/tests/*",)  # the tests of the packages themselves


def unused_files(packages: Path) -> Iterator[Path]:
    for path in packages.rglob("*"):
        if path.is_file() and _is_unused(path.relative_to(packages)):
            yield path


def _is_unused(path: Path) -> bool:
    if any(path.match(pattern) for pattern in _TRANSLATIONS) and path.parts[-3] not in _LANGUAGES:
        return True
    return any(path.match(pattern) for pattern in (*_SOURCES, *_TESTS))


def main(packages: Path) -> None:
    freed = 0
    for path in list(unused_files(packages)):
        freed += path.stat().st_size
        path.unlink()
    print(f"{freed / 1e6:.1f} MB taken out of {packages}.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else sysconfig.get_path("purelib")))
