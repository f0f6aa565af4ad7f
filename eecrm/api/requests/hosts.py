"""Checks the `Host` header and its port, because absolute URLs in answers are built from this header."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

from api.requests import limits, problems
from api.requests.bounds import shortened
from api.requests.client_address import place_of
from api.served_hosts import is_listed

log = logging.getLogger("eecrm.request")

# Health checks accept any Host, because load balancers call them by IP address. Their answers contain no URL.
_IGNORE_HOST = "/health/"


class HostMiddleware:
    """Refuses requests with an unknown `Host` header, before other middleware redirects or builds URLs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_served(request):
            return self.get_response(request)
        try:
            limits.admit_light(request, place_of(request))
        except limits.TooManyRequests as error:
            return problems.from_exception(request, error)
        return refuse_host(request)


def is_served(request: HttpRequest) -> bool:
    """Does ALLOWED_HOSTS list the host and the port of this request?

    Django's own check ignores the port, and `build_absolute_uri` would repeat any port that the caller sent.
    """
    if request.path_info.startswith(_IGNORE_HOST):
        return True
    try:
        name, port = split_domain_port(request.get_host())
    except DisallowedHost:
        return False
    if port == ("443" if request.is_secure() else "80"):
        # The default port is removed from the header. Otherwise the redirect from http to https would keep ":80".
        request.META["HTTP_HOST"], port = name, ""
    return is_listed(name, port, settings.ALLOWED_HOSTS, settings.ALLOWED_PORTS)


def refuse_host(request: HttpRequest) -> HttpResponse:
    """Answers 400 to an unknown host. Logs the host, because an operator may have forgotten it in ALLOWED_HOSTS.

    The log has no traceback, because scanners send requests with any host.
    """
    log.warning("ALLOWED_HOSTS doesn't list a host", extra={"host": shortened(request.META.get("HTTP_HOST", ""))})
    detail = "Nothing is served under this Host: ALLOWED_HOSTS lists the names, and the ports that aren't usual."
    return problems.problem(
        request, 400, "parse_error", detail, errors=[{"pointer": "Host", "code": "parse_error", "detail": detail}]
    )
