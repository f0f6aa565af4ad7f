"""Checks of host names, ports and URLs in environment variables, and the parser of ALLOWED_HOSTS."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port

from api.served_hosts import is_listed

# An entry of Django's ALLOWED_HOSTS: `*` and `.epic.example` are patterns, IPv6 addresses stand in brackets.
_HOST = re.compile(r"(\*|[A-Za-z0-9.-]+|\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])(?::([1-9][0-9]{0,4}|\*))?")
_USUAL = {"80", "443"}
# A host name for DNS, in ASCII. Underscores are allowed, because names in container networks have underscores.
# The last label can't be a number, because a top-level domain is never a number.
_NAME = re.compile(r"(?=.{1,253}\Z)(\w([\w-]{0,61}\w)?\.)*(?!\d+\.?\Z)\w([\w-]{0,61}\w)?\.?", re.ASCII)

_HOST_AND_PORT = re.compile(r"(?:\[([^\[\]@]*:[^\[\]@]*)\]|([^\[\]:@]+))(?::([^:]*))?")


def is_host(text: str) -> bool:
    """Returns True if `text` is a host name in ASCII, or an IP address without brackets."""
    return _is_address(text) or _NAME.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_pattern(text: str) -> bool:
    """Returns True if an entry of ALLOWED_HOSTS is a host, or a pattern that Django compares with the request's Host.

    Django removes the full stop at the end of a Host, and refuses an underscore. `.com` would match the domains
    of other people, so a pattern that begins with a full stop must have two labels or more: `.epic.example`.
    """
    if text == "*":
        return True
    if text.startswith("."):
        return "." in text[1:-1] and _is_pattern(text[1:]) and not _is_address(text[1:])
    return is_host(text.strip("[]")) and not text.endswith(".")


def is_port(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 1 <= int(text) <= 65535


def is_web_address(text: str, *schemes: str) -> bool:
    """True if `text` is a URL of one of the schemes, with a host and without a username."""
    if re.fullmatch("[!-~]+", text) is None:
        return False
    try:
        address = urlsplit(text)
    except ValueError:  # raised for brackets that hold no IPv6 address
        return False
    parts = _HOST_AND_PORT.fullmatch(address.netloc)
    return (
        address.scheme in schemes
        and parts is not None
        and is_host(parts[1] or parts[2])
        and (parts[3] is None or is_port(parts[3]))
    )


def is_listed_address(text: str, ports: dict[str, set[str]]) -> bool:
    """Returns True if `ports` (from `ports_by_host`) lists the host and the port of this web address (https://…)."""
    name, port = split_domain_port(urlsplit(text).netloc)
    return is_listed(name, "" if port == "443" else port, ports, ports)


def ports_by_host(entries: list[str], *, unnamed: str) -> dict[str, set[str]]:
    """Maps host name to allowed ports, for example "crm.epic.example" -> {"", "8443"}.

    The port "*" means any port, and "" means the default port of http or https. `unnamed` is the port for entries
    without a port. Raises ImproperlyConfigured if an entry isn't a host name with or without a port.
    """
    ports: dict[str, set[str]] = {}
    for entry in entries:
        parts = _HOST.fullmatch(entry)
        if parts is None or not _is_pattern(parts[1]) or not (parts[2] in (None, "*") or is_port(parts[2])):
            raise ImproperlyConfigured(
                "ALLOWED_HOSTS holds names as crm.epic.example, crm.epic.example:8443 or .epic.example (all names below "
                "it), with commas between."
            )
        name, port = parts[1].lower(), parts[2] or unnamed
        ports.setdefault(name, set()).add("" if port in _USUAL else port)
    return ports
