"""Form fields for moments on pages for people: a date and a local time of the staff's zone, which the form names.

When clocks go back, an hour of the night exists twice. A time in this hour is shown and taken with its offset.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.utils.timezone import get_current_timezone, get_current_timezone_name, is_aware, localtime

_OFFSET = re.compile(r"(.*\S)\s*([+-])([0-9]{2}):([0-9]{2})", re.DOTALL)


class LocalTimeField(forms.TimeField):
    """A time of day, with an offset if the text has one: `02:30` or `02:30 +01:00`."""

    def to_python(self, value: Any) -> time | None:
        match = _OFFSET.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            return super().to_python(value)
        text, sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset >= timedelta(days=1):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        clock = super().to_python(text)
        return clock and clock.replace(tzinfo=timezone(-offset if sign == "-" else offset))


class LocalMomentWidget(AdminSplitDateTime):
    def decompress(self, value: Any) -> Any:
        if not isinstance(value, datetime) or not is_aware(value):
            return super().decompress(value)
        local = localtime(value)
        clock = f"{local:%H:%M:%S}"
        return [local.date(), clock if len(_readings(local.date(), local.time())) == 1 else f"{clock} {_offset(local)}"]


class LocalMomentField(forms.SplitDateTimeField):
    """A moment as a date and a local time. The help text names the zone. The value is in UTC."""

    widget = LocalMomentWidget

    def __init__(self, **kwargs: Any) -> None:
        help_text = kwargs.pop("help_text", "") or f"Local time in {get_current_timezone_name()}."
        super().__init__(help_text=help_text, **kwargs)
        clock: Any = self.fields[1]
        self.fields = (self.fields[0], LocalTimeField(required=False, error_messages=clock.error_messages))
        self.fields[1].disabled = self.disabled

    def compress(self, data_list: Any) -> datetime | None:
        if not data_list:
            return None
        day, clock = data_list
        if day in self.empty_values:
            raise ValidationError(self.error_messages["invalid_date"], code="invalid_date")
        if clock in self.empty_values:
            raise ValidationError(self.error_messages["invalid_time"], code="invalid_time")
        try:
            return _moment(day, clock)
        except OverflowError:
            raise ValidationError(self.error_messages["invalid_date"], code="invalid_date") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        try:
            sent = self.clean(data)
        except ValidationError:
            return True
        return bool(sent != (initial.replace(microsecond=0) if isinstance(initial, datetime) else initial))


def _moment(day: date, clock: time) -> datetime:
    if clock.tzinfo is not None:
        # Pages must be able to show the moment, so it must exist in the current zone, too.
        return datetime.combine(day, clock).astimezone(get_current_timezone()).astimezone(UTC)
    readings = _readings(day, clock)
    if len(readings) == 1:
        return readings[0].astimezone(UTC)
    zone = get_current_timezone_name()
    if not readings:
        raise ValidationError(f"In {zone} there is no {clock:%H:%M} on this day, because the clocks go forward.")
    examples = " or ".join(f"{clock:%H:%M} {_offset(reading)}" for reading in readings)
    raise ValidationError(f"In {zone} {clock:%H:%M} comes twice on this day: write {examples}.")


def _readings(day: date, clock: time) -> list[datetime]:
    """Returns the moments at which clocks of the current zone show this time: one, or none or two if clocks change."""
    zone = get_current_timezone()
    naive = datetime.combine(day, clock.replace(fold=0))
    moments = {naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    local = (moment.astimezone(zone) for moment in sorted(moments))
    return [moment for moment in local if moment.replace(tzinfo=None, fold=0) == naive]


def _offset(moment: datetime) -> str:
    text = f"{moment:%z}"
    return f"{text[:3]}:{text[3:5]}"
