"""Parser of the variable ALLOWED_HOSTS: host names, each with its port unless that is 80 or 443."""

import re

from django.core.exceptions import ImproperlyConfigured

# Host names as in Django's ALLOWED_HOSTS: `*` and `.epic.example` are patterns, IPv6 addresses stand in brackets.
_HOST = re.compile(r"(\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}|\*))?")
_USUAL = {"80", "443"}


def ports_by_host(entries: list[str], *, unnamed: str) -> dict[str, set[str]]:
    """Returns host name -> ports, such as "crm.epic.example" -> {"", "8443"}.

    The port "*" means any port, "" the default port of http or https. An entry that names no port gets `unnamed`.
    Raises ImproperlyConfigured if an entry isn't a host name with or without a port.
    """
    ports: dict[str, set[str]] = {}
    for entry in entries:
        parts = _HOST.fullmatch(entry)
        if parts is None:
            raise ImproperlyConfigured(
                "ALLOWED_HOSTS holds names as crm.epic.example or crm.epic.example:8443, with commas between."
            )
        name, port = parts[1].lower(), parts[2] or unnamed
        ports.setdefault(name, set()).add("" if port in _USUAL else port)
    return ports
