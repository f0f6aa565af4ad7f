from typing import Any

from django.core.management.base import BaseCommand

from api.resources import idempotency


class Command(BaseCommand):
    help = (
        f"Delete idempotency keys that are older than {idempotency.MAX_KEY_AGE_DAYS} days. "
        "The worker does so once an hour."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while deleted := idempotency.purge_keys():
            total += deleted
        self.stdout.write(f"Deleted: {total}.")
