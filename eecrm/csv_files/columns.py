"""Which column of somebody's file is which field of ours."""

from collections.abc import Mapping
from dataclasses import dataclass

from csv_files import CannotImport
from csv_files.words import quoted


@dataclass(frozen=True)
class Columns:
    """Where each field stands."""

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


def only_one(found: list[int], header: list[str], field: str) -> int:
    """The one position that was found for a field; refuses a file in which there are several."""
    if len(found) > 1:
        raise CannotImport(
            f"{len(found)} columns are called {quoted(header[found[0]])}, and only one can be the {field}: rename one."
        )
    return found[0]
