"""Finds the IP address that sent a request, and the network that counts as one sender for rate limits."""

import logging
import re
import time
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from api.requests.bounds import shortened

log = logging.getLogger("eecrm.request")

# Some gateways add the port: Azure writes 1.2.3.4:5678, and IIS writes [2001:db8::1]:443. Both forms of RFC 7239.
_IPV4_AND_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_IN_BRACKETS = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?")

# Minimum time between two warnings of one process about X-Forwarded-For, because each request may have the same fault.
WARNING_INTERVAL_SECONDS = 60
_warned_at = float("-inf")


def client_address(request: HttpRequest) -> str | None:
    """Returns the IP address that sent the request; None if the address isn't valid.

    This is the connection's IP address or, behind proxies, the IP address that our outermost proxy saw.
    Only the last TRUSTED_PROXIES entries of `X-Forwarded-For` count, because the caller may write all others.
    If the header has no readable entry at this place, logs a warning and returns the connection's IP address.
    """
    trusted = settings.TRUSTED_PROXIES
    if trusted:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(forwarded) >= trusted and (address := _parsed(forwarded[-trusted].strip())):
            return str(address)
        # Load balancers send their health checks without the header.
        if "HTTP_X_FORWARDED_FOR" in request.META or not request.path_info.startswith("/health/"):
            _warn(",".join(forwarded[-trusted:]), trusted)
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    return str(address) if address else None


def _warn(entries: str, trusted: int) -> None:
    """Logs that callers can't be distinguished, at most once in WARNING_INTERVAL_SECONDS for each process."""
    global _warned_at
    if time.monotonic() - _warned_at < WARNING_INTERVAL_SECONDS:
        return
    _warned_at = time.monotonic()
    log.warning(
        "X-Forwarded-For has no readable address, so all callers of this proxy share one rate limit",
        extra={"forwarded": shortened(entries), "trusted_proxies": trusted},
    )


@lru_cache(maxsize=1_000)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Returns the IP address in a text such as 1.2.3.4, 1.2.3.4:5678, 2001:db8::1 or [2001:db8::1]:443; else None."""
    if match := _IPV4_AND_PORT.fullmatch(text) or _IN_BRACKETS.fullmatch(text):
        text = match[1]
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
