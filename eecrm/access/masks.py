"""Masks that hide personal data behind stars. For example, a phone number becomes `***45`.

The API, the admin site, the audit trail and the reports use these masks. A model lists its `personal_fields`, each with
its mask. Python masks values that are loaded, and SQL masks values that a query returns. Both use the same pattern, in
the regular expression syntax that Python and PostgreSQL share.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Model

HIDDEN = "***"


class Mask(NamedTuple):
    """Mask for one kind of personal data. If the whole text matches `pattern`, it becomes `shown`, otherwise `***`."""

    pattern: str
    shown: str

    def of(self, value: object) -> object:
        """Returns the masked value, for users who may not see personal data. None and "" stay unchanged."""
        if value is None or value == "":
            return value
        match = re.fullmatch(self.pattern, value) if isinstance(value, str) else None
        return match.expand(self.shown) if match else HIDDEN

    def sql(self, column: str) -> str:
        """Returns an SQL expression that masks the column.

        The expression has no `%` and no braces, because SQL templates would interpret these characters.
        """
        whole = f"'^(?:{self.pattern})$'"
        shown = (
            f"CASE WHEN {column} ~ {whole} THEN regexp_replace({column}, {whole}, '{self.shown}') ELSE '{HIDDEN}' END"
        )
        return f"CASE WHEN {column} <> '' THEN {shown} ELSE {column} END"


# A masked value reveals no length, no name and no company, for example `j***@***.com` or `***45`.
# Unusual email addresses, and phone numbers outside the E.164 format, match no pattern and become `***`.
EMAIL = Mask(
    r"([A-Za-z0-9_])[A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(\.[A-Za-z][A-Za-z]+)",
    r"\1***@***\2",
)
PHONE = Mask(r"\+[0-9][0-9][0-9][0-9][0-9]*([0-9][0-9])", r"***\1")
WHOLE = Mask("", "")


def personal(model: type[Model]) -> Mapping[str, Mask]:
    """Maps each field of the model that holds personal data to its mask."""
    fields: Mapping[str, Mask] = getattr(model, "personal_fields", {})
    return fields
