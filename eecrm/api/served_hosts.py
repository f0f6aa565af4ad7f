"""Comparison of a host name and a port with those of ALLOWED_HOSTS. The settings use it, so it doesn't read them."""

from collections.abc import Iterable, Mapping

from django.utils.http import is_same_domain


def is_listed(name: str, port: str, patterns: Iterable[str], ports: Mapping[str, set[str]]) -> bool:
    """Whether a pattern matches the host `name` and has the port, which is "" if it is the usual one.

    `ports` has the ports of each pattern. A pattern without ports, as in tests, is served at the usual one.
    """
    matching = (pattern for pattern in patterns if pattern == "*" or is_same_domain(name, pattern))
    return any({port, "*"} & ports.get(pattern, {""}) for pattern in matching)
