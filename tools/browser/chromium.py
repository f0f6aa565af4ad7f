"""Finds Chromium on this machine. If there is none, installs it.

Root gets Debian's package, if apt-get is there. Otherwise the Chromium of Playwright is installed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium's sandbox doesn't work for root. The sandbox isn't needed, because Chromium only opens our own pages.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def _installed() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium …", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
        subprocess.run(["apt-get", "install", "-qq", "-y", "chromium"], env=environment, check=True)
        return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


@contextmanager
def chromium() -> Iterator[Browser]:
    if not _installed():
        _install()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_installed(), args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()
