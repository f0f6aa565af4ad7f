"""Finds the end of a table: programs write totals, remarks and copyright lines below it."""

import re
import unicodedata
from collections.abc import Callable

from csv_files.reading import Record

# First words of a line that counts rows, or says who made the list.
_REMARK = re.compile(
    r"(?:grand |sub|sous)?[ -]?(?:totals?|totaux|sums?|sommes?|counts?|nombre)\b|copyright|©|\(c\)|confidential|confidentiel"
    r"|generate|genere|edite|export|printed|imprime|source|page \d|end of|fin d|rapport|report|\W*\d+ \w|[-=*_#]{2,}"
)
_NUMBER = re.compile(r"[\d\s.,:/%€$£+-]+")


def split_footer(
    records: list[Record], width: int, is_entry: Callable[[Record], bool]
) -> tuple[list[Record], list[Record]]:
    """Splits the records into the rows of the table and the rows below it.

    `width` is the number of titles. The table ends at the first remark after which no record `is_entry`. A remark has
    one text, and otherwise numbers at most. So a row with a fault stays in the table, and is reported as a problem.
    """
    last_entry = next((place for place in reversed(range(len(records))) if is_entry(records[place])), -1)
    for place in range(last_entry + 1, len(records)):
        if _is_remark(records[place], width):
            return records[:place], records[place:]
    return records, []


def _is_remark(record: Record, width: int) -> bool:
    text, *others = [cell.strip() for cell in record.cells if cell.strip()]
    if text.endswith(":") and len(others) <= 2:
        return True
    if not all(_NUMBER.fullmatch(other) for other in others):
        return False
    folded = "".join(
        letter for letter in unicodedata.normalize("NFD", text[:100].casefold()) if not unicodedata.combining(letter)
    )
    return record.follows_gap or len(record.cells) < width or _REMARK.match(folded) is not None
