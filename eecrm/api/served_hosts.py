"""Compares a host name and a port with those of ALLOWED_HOSTS.

The caller passes the content of ALLOWED_HOSTS. This module doesn't import the settings, because the settings import
this module.
"""

from collections.abc import Iterable, Mapping

from django.utils.http import is_same_domain


def is_listed(name: str, port: str, patterns: Iterable[str], ports: Mapping[str, set[str]]) -> bool:
    """Returns True if a pattern matches the host `name` and has the port. The port is "" if it is the default port.

    `ports` maps each pattern to its ports. A pattern that is missing in `ports` has only the default port. Django adds
    such a pattern, `testserver`, during tests.
    """
    matching = (pattern for pattern in patterns if pattern == "*" or is_same_domain(name, pattern))
    return any({port, "*"} & ports.get(pattern, {""}) for pattern in matching)
