"""Where a request comes from."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address of the client: that of the connection, or what the outermost of our own proxies saw.

    `X-Forwarded-For` is anybody's to write, but for its last TRUSTED_PROXIES entries, which our proxies appended.
    """
    trusted = settings.TRUSTED_PROXIES
    if trusted:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(forwarded) >= trusted and (address := _parsed(forwarded[-trusted].strip())):
            return str(address)
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    return str(address) if address else None


@lru_cache(maxsize=1_000)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # without a scope (%eth0), which no column takes
    return address


def neighbourhood(address: str | None) -> str:
    """What one limit counts as one place: an IPv4 address, or the /64 that one IPv6 customer has to choose from."""
    if address and ":" in address:
        return str(ip_network(f"{address}/64", strict=False))
    return address or "unknown"


def place_of(request: HttpRequest) -> str:
    """The neighbourhood of the client, as RequestMiddleware saw it."""
    return neighbourhood(getattr(request, "client_address", None))
