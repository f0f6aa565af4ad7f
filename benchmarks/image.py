"""Builds a directory with the content of a container image: our code, and the packages of requirements.txt.

The directory contains neither Python itself nor pip nor the operating system.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import stage
from processes import run

Sizes = dict[str, float]  # maps the name of a package to its size in MB
_SERVED_FILES = ("eecrm", "deploy", "docs/openapi.yaml", ":!:*/tests/*")


class Image(NamedTuple):
    home: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    @property
    def code(self) -> Path:
        return self.home / "code"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for the Python of the image.

        PYTHON… variables are left out, because they would change how Python starts.
        """
        return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def packages(self) -> Sizes:
        (directory,) = self.home.glob("lib/python*/site-packages")
        sizes = {}
        for package in importlib.metadata.distributions(path=[str(directory)]):
            files = [Path(str(package.locate_file(file))) for file in package.files or ()]
            sizes[package.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        return sizes

    def size_of_code(self) -> float:
        return sum(path.stat().st_size for path in self.code.rglob("*") if path.is_file()) / 1e6

    def strip(self) -> None:
        command = [self.python, self.code / "deploy" / "strip_image.py"]
        run(command, failure="deploy/strip_image.py failed, see above.", env=self.environment)

    def compile(self) -> None:
        command = [self.python, "-m", "compileall", "-q", self.code]
        run(command, failure="The code could not be compiled, see above.", env=self.environment)


def build() -> Image:
    """Builds the image in an empty directory.

    An earlier image isn't reused, because files may be missing in it, and Python may have written compiled files into
    it.
    """
    image = Image(stage.HOME / "benchmarks" / "image")
    shutil.rmtree(image.home, ignore_errors=True)
    run([sys.executable, "-m", "venv", "--without-pip", image.home], failure="No environment could be made, see above.")
    pip = [sys.executable, "-m", "pip", f"--python={image.python}", "install", "-qq", "--disable-pip-version-check"]
    run([*pip, f"--requirement={stage.ROOT / 'requirements.txt'}"], failure="The packages could not be installed.")
    for name in _files():
        (image.code / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stage.ROOT / name, image.code / name)
    return image


def _files() -> list[str]:
    """Returns the names of the files that a server needs, without tests.

    New files that git doesn't track are included.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *_SERVED_FILES]
    return subprocess.run(command, cwd=stage.ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
