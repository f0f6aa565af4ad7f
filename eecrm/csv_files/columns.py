"""Maps the columns of an imported CSV file to fields."""

from collections.abc import Mapping
from dataclasses import dataclass

from csv_files import CannotImport
from csv_files.words import quoted


@dataclass(frozen=True)
class Columns:
    """Header of an imported file, and for each field the position of its column."""

    header: list[str]
    positions: Mapping[str, int]

    @property
    def ignored(self) -> list[str]:
        used = set(self.positions.values())
        return [title for position, title in enumerate(self.header) if position not in used and title]

    def title(self, field: str) -> str:
        return self.header[self.positions[field]]

    def values(self, cells: list[str]) -> dict[str, str]:
        return {field: cells[position].strip() for field, position in self.positions.items()}


def only_one(positions: list[int], header: list[str], field: str) -> int:
    """Returns the only position at which the header has the field's title.

    Raises CannotImport if `positions` has several, because several columns then have the same title.
    """
    if len(positions) > 1:
        title = quoted(header[positions[0]])
        raise CannotImport(f"{len(positions)} columns are called {title}, and only one can be the {field}: rename one.")
    return positions[0]
