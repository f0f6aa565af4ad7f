from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from audit.restore.on_behalf import on_behalf_of
from events.hand_over import CELLS, CannotHandOver, hand_over, log_hand_over


class Command(BaseCommand):
    help = "Give a user's rows to a successor: all clients of a sales user, or all unclosed events of a support user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("leaver", metavar="FROM", help="username of the user who leaves or moves")
        parser.add_argument("successor", metavar="TO", help="username of an active colleague of the same role")
        parser.add_argument("--reason", required=True, help="reason, which the audit trail keeps")
        parser.add_argument("--deactivate", action="store_true", help="then deactivate the account of FROM")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, only print the numbers of rows")
        parser.add_argument("--as", default="", metavar="USERNAME", help="manager whom the audit trail names as actor")

    def handle(self, *args: Any, **options: Any) -> None:
        deactivates, is_dry_run = options["deactivate"], options["dry_run"]
        cells = [*CELLS, *([("user", "update")] if deactivates else [])]
        try:
            with on_behalf_of(options["as"], options["reason"], *cells, is_dry_run=is_dry_run):
                leaver, successor = _user_named(options["leaver"]), _user_named(options["successor"])
                moved = hand_over(leaver, successor, deactivates=deactivates)
        except CannotHandOver as error:
            raise CommandError(str(error)) from None
        end = f" {leaver} is deactivated." if deactivates else ""
        if is_dry_run:
            end = f" {leaver} would be deactivated." if deactivates else ""
            self.stdout.write(f"Nothing is changed yet. {moved} would go from {leaver} to {successor}.{end}")
            return
        log_hand_over(leaver, successor, moved)
        self.stdout.write(f"{moved} went from {leaver} to {successor}.{end}")


def _user_named(username: str) -> User:
    try:
        user: User = User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        raise CommandError(f"There is no account {username}.") from None
    return user
