import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from accounts.outbox.bounces import MAX_NOTIFICATION_BYTES, note_bounce, note_bounce_of, read_bounce
from api.email_addresses import normalise_address


class Command(BaseCommand):
    help = (
        "Mark a mail as bounced. Reads a delivery status notification (RFC 3464) from standard input: the mail server"
        " pipes the mail of the sender's address to this command."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", help="read nothing, and mark the latest mail to this address as bounced")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits with 0 for any other mail, because the mail server would report another status to its sender.

        If the database can't be reached, exits with EX_TEMPFAIL: the mail server then tries again later.
        """
        try:
            self.stdout.write(_note(options["address"]))
        except (OperationalError, InterfaceError):
            raise CommandError("The database can't be reached: try again later.", returncode=os.EX_TEMPFAIL) from None


def _note(address: str | None) -> str:
    if address:
        if note_bounce_of(normalise_address(address)):
            return "Marked the latest mail to this address as bounced."
        raise CommandError("No mail was sent to this address, or the latest one is marked already.")
    bounce = read_bounce(sys.stdin.buffer.read(MAX_NOTIFICATION_BYTES))
    if bounce is None:
        return "Nothing to note: this mail reports no failed delivery of a mail of ours."
    return (
        f"Mail {bounce.key} bounced." if note_bounce(bounce) else "Nothing to note: this mail isn't known, or marked."
    )
