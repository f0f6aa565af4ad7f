"""Moments and days as the API reads and writes them: RFC 3339 in both directions, answers always in UTC.

All answers have one notation, `2027-06-01T18:00:00.000000Z`. Its length is fixed, so its order as text is the order of
time. It has no `+`, so a caller can copy it into a query string as it is.
"""

import re
from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from rest_framework import serializers

NOT_A_MOMENT = "This is no moment with an offset: write one as 2027-06-01T18:00:00Z."
NOT_A_DAY = "This is no day: write one as 2027-06-01."

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339, section 5.6. Digits after the sixth are dropped, because PostgreSQL stores microseconds.
_MOMENT = re.compile(
    rf"{_DAY.pattern}T([01][0-9]|2[0-3]):[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,9}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})"
)


def parse_moment(text: str) -> datetime:
    """Reads a moment with an offset (RFC 3339) and returns it in UTC. Raises ValueError for any other text."""
    upper = text.upper()
    if not (text.isascii() and _MOMENT.fullmatch(upper)):
        raise ValueError(NOT_A_MOMENT)
    try:
        return datetime.fromisoformat(upper).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or before the year 1 or after 9999 in UTC
        raise ValueError(NOT_A_MOMENT) from None


def parse_day(text: str) -> date:
    """Reads a day in the form `YYYY-MM-DD`. Raises ValueError for any other text."""
    if not _DAY.fullmatch(text):
        raise ValueError(NOT_A_DAY)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(NOT_A_DAY) from None


def format_moment(moment: datetime) -> str:
    notation: Any = settings.REST_FRAMEWORK["DATETIME_FORMAT"]
    return moment.astimezone(UTC).strftime(notation)


def format_local(moment: datetime, pattern: str = "%d %B %Y, %H:%M") -> str:
    """Formats a moment for people, with the name of its zone: the staff's zone on pages, UTC in mails and commands."""
    return f"{timezone.localtime(moment):{pattern} %Z}"


def moment_sql(column: str) -> str:
    """Returns SQL that formats the column, a timestamptz, as `format_moment` does."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


class MomentSerializerField(serializers.DateTimeField):
    default_error_messages = {"invalid": NOT_A_MOMENT}

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_moment(value if isinstance(value, str) else "")
        except ValueError:
            self.fail("invalid")


class DaySerializerField(serializers.DateField):
    default_error_messages = {"invalid": NOT_A_DAY}

    def to_internal_value(self, value: Any) -> date:
        try:
            return parse_day(value if isinstance(value, str) else "")
        except ValueError:
            self.fail("invalid")


class MomentParameterField(forms.Field):
    """Form field that reads a moment from a query string."""

    def to_python(self, value: Any) -> datetime | None:
        return _read(parse_moment, value)


class DayParameterField(forms.Field):
    """Form field that reads a day from a query string."""

    def to_python(self, value: Any) -> date | None:
        return _read(parse_day, value)


def _read(parse: Any, value: Any) -> Any:
    if value in forms.Field.empty_values:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise forms.ValidationError(str(error)) from None
