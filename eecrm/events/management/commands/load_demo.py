from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize
from tqdm import tqdm

from access.refusals import refusals_as_command_errors
from access.security_log import security_event
from api.command_numbers import number_between
from config import environment
from events.demo import CannotLoad
from events.demo.accounts import PASSWORD
from events.demo.loading import Loaded, fill, load_company, make_accounts, missing_clients

MAX_CLIENTS = 10_000_000


class Command(BaseCommand):
    help = "Load the sample accounts and the demo data. Rows that exist already aren't changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--clients",
            type=number_between(1, MAX_CLIENTS),
            metavar="NUMBER",
            help="then generate clients until there are NUMBER, with on average 1.75 contracts and 1.5 events",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if environment.IS_PRODUCTION:
            raise CommandError("APP_ENV is production: the sample accounts have a password that everybody knows.")
        target = options["clients"]
        try:
            with refusals_as_command_errors(
                after=" What was loaded until then stays: the same command goes on from there."
            ):
                self._load(target, is_quiet=options["verbosity"] == 0)
        except CannotLoad as error:
            raise CommandError(str(error)) from None

    def _load(self, target: int | None, *, is_quiet: bool) -> None:
        accounts = make_accounts()
        for refusal in accounts.refusals:
            self.stdout.write(refusal)
        if accounts.made:
            security_event("user_created", count=accounts.made, by="load_demo")
            self.stdout.write(
                f"Made {accounts.made} sample account{pluralize(accounts.made)} with the password {PASSWORD}"
            )
        loaded = load_company()
        if loaded.clients:
            self.stdout.write(f"Loaded the demo company: {_words(loaded)}.")
        if not accounts.made and not loaded.clients:
            self.stdout.write("The sample accounts and the demo company are there already: nothing was changed.")
        if target is not None:
            self._fill(target, is_quiet=is_quiet)

    def _fill(self, target: int, *, is_quiet: bool) -> None:
        count = missing_clients(target)
        if not count:
            self.stdout.write(f"There are {target:,} clients or more already: none was invented.")
            return
        total, start = Loaded(), perf_counter()
        with tqdm(total=count, desc="Inventing", unit=" clients", unit_scale=True, disable=is_quiet) as progress:
            for loaded in fill(count):
                total += loaded
                progress.update(loaded.clients)
        self.stdout.write(f"Invented {_words(total)} in {perf_counter() - start:,.0f} s.")


def _words(loaded: Loaded) -> str:
    return f"{loaded.clients:,} clients, {loaded.contracts:,} contracts and {loaded.events:,} events"
