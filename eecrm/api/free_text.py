"""Fields for text of several lines. Each line break is stored as LF (U+000A).

Browsers send the line breaks of a form as CRLF (HTML Standard, "constructing the entry list"), most apps send LF.
Without this rule, a text that goes from an app to the admin site and back would count as changed.
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
    """Form field for a text of several lines. As in browsers, its `max_length` counts a line break as one character."""

    def to_python(self, value: Any) -> Any:
        return with_plain_line_breaks(super().to_python(value))


class FreeTextField(models.TextField):
    """Model field for a text of several lines. Each line break is stored as LF (U+000A)."""

    def to_python(self, value: Any) -> Any:
        return with_plain_line_breaks(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return with_plain_line_breaks(super().get_prep_value(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": FreeTextFormField, **kwargs})


class FreeTextSerializerField(serializers.CharField):
    """Serializer field for a text of several lines. Each line break is changed to LF (U+000A)."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        require_length(self, data)
        return super().run_validation(with_plain_line_breaks(data))
