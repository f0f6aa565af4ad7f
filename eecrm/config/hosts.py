"""The value of ALLOWED_HOSTS: names of hosts, each with a port where it isn't the usual one."""

import re

from django.core.exceptions import ImproperlyConfigured

# A name as Django takes it: `*` and `.epic.example` are patterns, an IPv6 address stands in brackets.
_HOST = re.compile(r"(\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}|\*))?")
_USUAL = {"80", "443"}


def ports_by_host(entries: list[str], *, unnamed: str) -> dict[str, set[str]]:
    """The ports of each name: `*` is any, and the empty one the usual port of http or https. `unnamed` is the port of an entry
    that names none. Raises ImproperlyConfigured."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        parts = _HOST.fullmatch(entry)
        if parts is None:
            raise ImproperlyConfigured(
                "ALLOWED_HOSTS holds names as crm.epic.example or crm.epic.example:8443, with commas between."
            )
        name, port = parts[1].lower(), parts[2] or unnamed
        found.setdefault(name, set()).add("" if port in _USUAL else port)
    return found
