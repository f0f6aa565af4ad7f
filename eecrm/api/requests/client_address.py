"""Finds the IP address that sent a request, and the network that counts as one sender for rate limits."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Returns the IP address that sent the request; None if the address isn't valid.

    This is the connection's IP address or, behind proxies, the IP address that our outermost proxy saw.
    Only the last TRUSTED_PROXIES entries of `X-Forwarded-For` count, because the caller may write all others.
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
        return address.ipv4_mapped or IPv6Address(
            int(address)
        )  # an IPv6 address without its scope (%eth0), because PostgreSQL's inet columns refuse a scope
    return address


def neighbourhood(address: str | None) -> str:
    """Returns what counts as one sender for rate limits: an IPv4 address, or the /64 network of an IPv6 address.

    One IPv6 customer usually has a whole /64 network to choose IP addresses from.
    """
    if address and ":" in address:
        return str(ip_network(f"{address}/64", strict=False))
    return address or "unknown"


def place_of(request: HttpRequest) -> str:
    """Returns the request's IPv4 address or IPv6 /64 network (`neighbourhood`).

    RequestMiddleware has stored the IP address in the request.
    """
    return neighbourhood(getattr(request, "client_address", None))
