"""Mail backend for development. It doesn't send mails, but writes each mail to a file in a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class FolderBackend(BaseEmailBackend):
    """Writes each mail to `MAIL_FOLDER/<id>.eml`.

    `<id>` is the Message-ID without its domain, so a mail that is sent again replaces its own file.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.MAIL_FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for mail in email_messages:
            message = mail.message()
            name = message["Message-ID"].strip("<>").partition("@")[0]
            _write_mail(folder / f"{name}.eml", message.as_bytes())
        return len(email_messages)


def _write_mail(path: Path, content: bytes) -> None:
    """Writes the file of a mail completely or not at all.

    The file is created with mode 0600, so no other user can ever read it, not even while it is written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
