"""Text of several lines. It is stored with LF (U+000A) as its only line break.

Browsers send the lines of a form with CRLF (HTML Standard, "constructing the entry list"), apps mostly with LF. Stored as
sent, the same text would count as a change each time that it goes from an app to the admin site and back.
The API, the admin site and CSV imports apply the same rule.
"""

from typing import Any

from django import forms
from django.db import models
from rest_framework import serializers

from api.person_names import require_length


def with_plain_line_breaks(value: Any) -> Any:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value


class FreeTextFormField(forms.CharField):
    """Form field of a text of several lines. Its `max_length` counts a line break as one character, as browsers do."""

    def to_python(self, value: Any) -> Any:
        return with_plain_line_breaks(super().to_python(value))


class FreeTextField(models.TextField):
    """Model field of a text of several lines."""

    def to_python(self, value: Any) -> Any:
        return with_plain_line_breaks(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return with_plain_line_breaks(super().get_prep_value(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": FreeTextFormField, **kwargs})


class FreeTextSerializerField(serializers.CharField):
    """Serializer field of a text of several lines."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        require_length(self, data)
        return super().run_validation(with_plain_line_breaks(data))
