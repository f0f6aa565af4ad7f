"""Masks that hide personal data with stars, such as `***45` for a phone number.

The API, the admin site, the audit trail and the reports use them. A model lists its `personal_fields`, each with its
mask. A mask is applied in Python to loaded values, and in SQL to values that a query returns. Both use the same
pattern, in the regular expression syntax that Python and PostgreSQL share.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Model

HIDDEN = "***"


class Mask(NamedTuple):
    """Mask of one kind of data. A text that matches `pattern` as a whole becomes `shown`, any other text `***`."""

    pattern: str
    shown: str

    def of(self, value: object) -> object:
        """Masked value for users who may not see personal data. None and the empty string stay as they are."""
        if value is None or value == "":
            return value
        match = re.fullmatch(self.pattern, value) if isinstance(value, str) else None
        return match.expand(self.shown) if match else HIDDEN

    def sql(self, column: str) -> str:
        """SQL expression for the masked column. It has no `%` and no braces, which SQL templates would interpret."""
        whole = f"'^(?:{self.pattern})$'"
        shown = (
            f"CASE WHEN {column} ~ {whole} THEN regexp_replace({column}, {whole}, '{self.shown}') ELSE '{HIDDEN}' END"
        )
        return f"CASE WHEN {column} <> '' THEN {shown} ELSE {column} END"


# A masked value shows no length, no name and no company: `j***@***.com`, `***45`. Unusual addresses, and numbers that
# aren't in E.164, don't match and become `***`.
EMAIL = Mask(
    r"([A-Za-z0-9_])[A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(\.[A-Za-z][A-Za-z]+)",
    r"\1***@***\2",
)
PHONE = Mask(r"\+[0-9][0-9][0-9][0-9][0-9]*([0-9][0-9])", r"***\1")
WHOLE = Mask("", "")


def personal(model: type[Model]) -> Mapping[str, Mask]:
    """Returns the fields of a model that hold personal data, each with its mask."""
    fields: Mapping[str, Mask] = getattr(model, "personal_fields", {})
    return fields
