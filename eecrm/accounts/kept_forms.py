"""Keeps what was typed into a form that was refused, so that its sender can send it once more."""

import re
from typing import Any

from django.http import HttpRequest

_CSRF_FIELD = "csrfmiddlewaretoken"
# Fields whose values aren't kept: passwords, and codes, which work once. Their sender types them again.
_SECRET = re.compile(r"password|(^|_)(code|otp|token)$")
# Fields that no user has typed, such as buttons, and numbers of rows of a formset.
_UNTYPED = re.compile(r"^_|_FORMS$|^(page_version|next|action|shown|post|select_across|index)$")


def kept_form(request: HttpRequest) -> dict[str, Any]:
    """Returns the parts of a form with the values of the request.

    `hidden` has all values that are kept, by field. `shown` has the typed ones, which the page shows. `secrets` and
    `files` are the names of fields that must be filled in again.
    """
    hidden = [
        (name, value)
        for name, values in request.POST.lists()
        if name != _CSRF_FIELD and not _SECRET.search(name)
        for value in values
    ]
    return {
        "hidden": hidden,
        "shown": [(_label(name), value) for name, value in hidden if value.strip() and not _UNTYPED.search(name)],
        "secrets": [(name, _label(name), "password" in name) for name in request.POST if _SECRET.search(name)],
        "files": [(name, _label(name)) for name in request.FILES],
    }


def _label(name: str) -> str:
    return re.sub(r"[_-]+", " ", name).strip().capitalize()
