"""A list of clients in a file: its table, the columns of the fields, and the rows below the table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from clients.importing.columns import ClientColumns, recognise_client_columns
from csv_files.footers import split_footer
from csv_files.reading import Record, Table


@dataclass(frozen=True)
class ClientList:
    table: Table
    columns: ClientColumns
    footer: list[Record]  # rows below the list, for example a total


def client_list_of(table: Table, chosen: Mapping[str, str]) -> ClientList:
    """Returns the list in a table. `chosen` maps fields to the titles of their columns.

    Raises CannotImport if a required field has no column.
    """
    columns = recognise_client_columns(table.header, chosen)
    addresses = columns.positions["email"]

    def has_address(record: Record) -> bool:
        return any(record.cells[position].strip() for position in addresses if position < len(record.cells))

    records, footer = split_footer(table.records, len(table.header), has_address)
    return ClientList(replace(table, records=records), columns, footer)
