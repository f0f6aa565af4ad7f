"""Report of a client import, for the user who ran it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from clients.importing.checking import Candidate
from clients.importing.columns import ClientColumns
from clients.importing.lists import ClientList
from clients.importing.saving import ImportOutcome
from csv_files.reading import Record
from csv_files.words import MAX_EXAMPLES, grouped, quoted

_MAX_COLUMNS = 40


def list_report(clients: ClientList) -> Iterator[str]:
    """Yields the use of the file's columns, and the rows that are above and below its table."""
    table, columns, footer = clients.table, clients.columns, clients.footer
    used = [f"{name} {quoted(columns.title(name))}" for name in columns.positions]
    yield gettext("Columns: %(columns)s.") % {"columns": ", ".join(used)}
    yield from _with_examples(
        ngettext(
            "%(count)s row above the titles isn't part of the list:",
            "%(count)s rows above the titles aren't part of the list:",
            len(table.preamble),
        ),
        table.preamble,
        _beginning,
    )
    yield from _with_examples(
        ngettext(
            "%(count)s row below the list isn't part of it:",
            "%(count)s rows below the list aren't part of it:",
            len(footer),
        ),
        footer,
        _beginning,
    )
    records = [record for record in table.records if len(record.cells) >= len(columns.header)]
    unused = [
        (columns.header[position], sum(1 for record in records if record.cells[position].strip()))
        for position in columns.unused
    ]
    yield from _counted_columns(gettext("Unused columns: %(columns)s."), unused)
    yield from _counted_columns(
        gettext("Unused values, because another column of the same row is used: %(columns)s."),
        [(title, count) for title, count in _unused_values(columns, records) if count],
    )


def client_import_summary(outcome: ImportOutcome, sales_contact: str, *, is_dry_run: bool) -> Iterator[str]:
    imported = outcome.imported
    values = {"count": grouped(len(imported)), "username": sales_contact}
    if is_dry_run:
        sentence = ngettext(
            "%(count)s prospect would be imported for %(username)s.",
            "%(count)s prospects would be imported for %(username)s.",
            len(imported),
        )
    else:
        sentence = ngettext(
            "%(count)s prospect imported for %(username)s.",
            "%(count)s prospects imported for %(username)s.",
            len(imported),
        )
    yield sentence % values
    yield from _with_examples(
        ngettext(
            "%(count)s row left alone, because the client exists already:",
            "%(count)s rows left alone, because the client exists already:",
            len(outcome.existing),
        ),
        outcome.existing,
        _address,
    )
    yield from _with_examples(
        ngettext(
            "%(count)s row left alone, because a row above has the same email address:",
            "%(count)s rows left alone, because a row above has the same email address:",
            len(outcome.repeated),
        ),
        outcome.repeated,
        _address,
    )
    yield from _value_report(imported)
    if is_dry_run:
        yield gettext("This was a dry run: nothing was changed.")


def set_aside_report(problems: list[str], path: object, *, is_dry_run: bool) -> Iterator[str]:
    """Yields the number of rows that have problems, and their problems."""
    if is_dry_run:
        sentence = ngettext(
            "%(count)s row has problems, and would be set aside in %(file)s:",
            "%(count)s rows have problems, and would be set aside in %(file)s:",
            len(problems),
        )
    else:
        sentence = ngettext(
            "%(count)s row has problems, and was set aside in %(file)s:",
            "%(count)s rows have problems, and were set aside in %(file)s:",
            len(problems),
        )
    lines = [line for problem in problems for line in problem.splitlines()]
    yield from _with_examples(sentence, lines, file=path, count=len(problems))


def _value_report(imported: list[Candidate]) -> Iterator[str]:
    """Yields the changes that the import makes to values: split names, first values, phone numbers without extension."""
    split = [candidate for candidate in imported if candidate.split_name]
    yield from _with_examples(
        ngettext(
            "%(count)s name was split into first and last name:",
            "%(count)s names were split into first and last name:",
            len(split),
        ),
        split,
        _split_name,
    )
    several = [sentence for candidate in imported for sentence in candidate.several]
    yield from _with_examples(
        ngettext(
            "%(count)s cell has several values, and only the first one was used:",
            "%(count)s cells have several values, and only the first ones were used:",
            len(several),
        ),
        several,
    )
    left_out = [sentence for candidate in imported for sentence in candidate.left_out]
    yield from _with_examples(
        ngettext("%(count)s phone number left out:", "%(count)s phone numbers left out:", len(left_out)), left_out
    )
    if extensions := sum(candidate.extensions for candidate in imported):
        sentence = ngettext(
            "%(count)s phone extension dropped: numbers are stored without.",
            "%(count)s phone extensions dropped: numbers are stored without.",
            extensions,
        )
        yield sentence % {"count": grouped(extensions)}


def _unused_values(columns: ClientColumns, records: list[Record]) -> Iterator[tuple[str, int]]:
    for name, positions in columns.positions.items():
        for position in positions[1:]:
            count = sum(
                bool(record.cells[position].strip()) and columns.position(name, record.cells) != position
                for record in records
            )
            yield columns.header[position], count


def _counted_columns(sentence: str, columns: list[tuple[str, int]]) -> Iterator[str]:
    """Yields the titles of the columns that have values, with the numbers of values, and the number of the others."""
    filled = [(title, count) for title, count in columns if count]
    shown = [
        ngettext("%(title)s (%(count)s value)", "%(title)s (%(count)s values)", count)
        % {"title": quoted(title), "count": grouped(count)}
        for title, count in filled[:_MAX_COLUMNS]
    ]
    if more := len(filled[_MAX_COLUMNS:]):
        shown.append(gettext("and %(count)s more") % {"count": grouped(more)})
    if empty := sum(1 for title, count in columns if title and not count):
        text = ngettext("%(count)s column without values", "%(count)s columns without values", empty)
        shown.append(text % {"count": grouped(empty)})
    if shown:
        yield sentence % {"columns": ", ".join(shown)}


def _with_examples(
    sentence: str,
    items: Sequence[Any],
    describe: Callable[[Any], object] = str,
    *,
    count: int | None = None,
    **values: object,
) -> Iterator[str]:
    """Yields a sentence about the items with their number, then the descriptions of the first ones."""
    if not items:
        return
    yield sentence % {"count": grouped(len(items) if count is None else count), **values}
    yield from (f"  {describe(item)}" for item in items[:MAX_EXAMPLES])
    if more := len(items[MAX_EXAMPLES:]):
        yield gettext("  … and %(count)s more.") % {"count": grouped(more)}


def _split_name(candidate: Candidate) -> str:
    client = candidate.client
    return f"{quoted(candidate.split_name)} → {quoted(client.first_name)}, {quoted(client.last_name)}"


def _address(candidate: Candidate) -> str:
    return gettext("line %(line)s: %(sentence)s") % {"line": candidate.line, "sentence": candidate.client.email}


def _beginning(record: Record) -> str:
    text = " ".join(cell.strip() for cell in record.cells if cell.strip())
    return gettext("line %(line)s: %(sentence)s") % {"line": record.line, "sentence": quoted(text)}
