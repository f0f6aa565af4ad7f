"""The mails that a server of our own has sent."""

import re
import sys
import time
from email import message_from_bytes, policy

from own_server import LOCAL

HOME = LOCAL / "browse"
PATIENCE = 30  # seconds


def link_in_mail(to: str) -> str:
    """The link in the newest mail to this address, once the worker has sent it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for path in sorted((HOME / "mail").glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            if to in str(message["To"]):
                found = re.search(r"https?://\S+", message.get_content())
                assert found, "a mail without a link"
                return found[0]
        time.sleep(0.2)
    sys.exit(f"No mail to {to} came within {PATIENCE} s.")
