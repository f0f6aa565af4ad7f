"""Masks that hide personal data in the API, the admin site, the audit trail and the reports.

A model lists its `personal_fields`, each with its mask. Python masks values that are already loaded, SQL those that a
query returns. Both use one pattern, in the regular expression syntax that Python and PostgreSQL share.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Model

HIDDEN = "***"


class Mask(NamedTuple):
    """`shown` replaces a text that matches `pattern` as a whole. Any other text becomes `***`."""

    pattern: str
    shown: str

    def of(self, value: object) -> object:
        """Masked value for users who may not see personal data. None and the empty string stay as they are."""
        if value is None or value == "":
            return value
        match = re.fullmatch(self.pattern, value) if isinstance(value, str) else None
        return match.expand(self.shown) if match else HIDDEN

    def sql(self, column: str) -> str:
        """SQL expression for the masked column. It has no `%` and no brace because templates would interpret them."""
        whole = f"'^(?:{self.pattern})$'"
        shown = (
            f"CASE WHEN {column} ~ {whole} THEN regexp_replace({column}, {whole}, '{self.shown}') ELSE '{HIDDEN}' END"
        )
        return f"CASE WHEN {column} <> '' THEN {shown} ELSE {column} END"


# A mask shows no length, no name and no company: `j***@***.com`, `***45`. Only usual addresses and E.164 numbers match.
EMAIL = Mask(
    r"([A-Za-z0-9_])[A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(\.[A-Za-z][A-Za-z]+)",
    r"\1***@***\2",
)
PHONE = Mask(r"\+[0-9][0-9][0-9][0-9][0-9]*([0-9][0-9])", r"***\1")
WHOLE = Mask("", "")


def personal(model: type[Model]) -> Mapping[str, Mask]:
    """Personal data fields of a model, each with its mask."""
    fields: Mapping[str, Mask] = getattr(model, "personal_fields", {})
    return fields
