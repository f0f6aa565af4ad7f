"""Reads the mails that the tested server has sent. The mails are files in the server's home directory."""

import re
import sys
import time
from email import message_from_bytes, policy

from own_server import LOCAL

HOME = LOCAL / "browse"
MAX_WAIT_SECONDS = 30


def link_in_mail(to: str) -> str:
    """Returns the link in the newest mail to this email address. Waits until the server's worker has sent a mail."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        for path in sorted((HOME / "mail").glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            if to in str(message["To"]):
                match = re.search(r"https?://\S+", message.get_content())
                assert match, "a mail without a link"
                return match[0]
        time.sleep(0.2)
    sys.exit(f"No mail to {to} came within {MAX_WAIT_SECONDS} s.")
