"""Maps the columns of an imported CSV file to fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from csv_files import CannotImport
from csv_files.words import quoted


@dataclass(frozen=True)
class Columns:
    """Header of an imported file, and for each field the positions of its columns, the preferred column first."""

    header: list[str]
    positions: Mapping[str, Sequence[int]]

    @property
    def unused(self) -> list[int]:
        """Positions of the columns that no field uses."""
        used = {position for positions in self.positions.values() for position in positions}
        return [position for position in range(len(self.header)) if position not in used]

    def position(self, field: str, cells: list[str] | None = None) -> int:
        """Returns the position of the field's first column that has a value in `cells`.

        Returns the position of the preferred column if all are empty.
        """
        positions = self.positions[field]
        if cells and len(positions) > 1:
            return next((position for position in positions if cells[position].strip()), positions[0])
        return positions[0]

    def title(self, field: str, cells: list[str] | None = None) -> str:
        """Returns the title of the column from which the field's value in `cells` comes."""
        return self.header[self.position(field, cells)]

    def values(self, cells: list[str]) -> dict[str, str]:
        return {field: cells[self.position(field, cells)].strip() for field in self.positions}


def only_one(positions: list[int], header: list[str], field: str) -> int:
    """Returns the only position at which the header has the field's title.

    Raises CannotImport if `positions` has several, because several columns then have the same title.
    """
    if len(positions) > 1:
        title = quoted(header[positions[0]])
        sentence = gettext("%(count)s columns are called %(title)s, and only one can be the %(field)s: rename one.")
        raise CannotImport(sentence % {"count": len(positions), "title": title, "field": field})
    return positions[0]
