"""Middleware of every request: request id, rate limits, security headers, one log line, and problem documents."""

import logging
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import ErrorDetail, UnsupportedMediaType, ValidationError

from access import reasons
from access.database import acting_through, origin
from access.security_log import request_ids
from api.requests import deprecation, limits, problems
from api.requests.bounds import MAX_CREDENTIAL_BYTES, MAX_FORM_BYTES, BodyTooLarge, body_length, shortened
from api.requests.client_address import client_address, place_of
from api.requests.parsers import LengthRequired
from api.requests.wsgi_request import refuse_other_charsets

log = logging.getLogger("eecrm.request")

# Requests to health checks and the honeypot (a fake admin login) are cheap, so `limits.admit_light` counts them.
# Requests for static files are cheap too, but StaticFilesMiddleware counts them.
_LIGHT_PREFIXES = ("/health/", "/admin/")

_SITE = f"/{settings.ADMIN_URL}"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Pages (admin site, docs) may load files of this site only; API answers may load nothing.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


def _change_reason(request: HttpRequest) -> str:
    """Returns the header `X-Change-Reason`, decoded as UTF-8.

    Raises ValidationError unless the header is one line of text.
    """
    try:
        text = reasons.one_line(request.META.get("HTTP_X_CHANGE_REASON", "").encode("latin-1").decode())
        fault = reasons.fault_of(text)
    except UnicodeError:
        fault = reasons.UNFIT
    if fault:
        raise ValidationError({"X-Change-Reason": [ErrorDetail(fault, code="invalid")]})
    return text


def _max_body_bytes(path: str) -> int:
    """Returns the maximum number of bytes of a form at this path; 0 if other code checks the size of the body.

    The API's parsers and the honeypot check the size themselves. Pages for users who aren't logged in have the smallest
    maximum, because such a page contains the user's input again if it refuses the form.
    """
    if path.startswith(_SITE) and path != f"{_SITE}login/":
        return MAX_FORM_BYTES
    return 0 if path.startswith(("/api/", "/admin/")) else MAX_CREDENTIAL_BYTES


class RequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        sent_id = request.META.get("HTTP_X_REQUEST_ID", "")
        caller_request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else ""
        request_id = uuid4().hex
        request.caller_request_id = caller_request_id  # type: ignore[attr-defined]  # our own attribute
        request.request_id = request_id  # type: ignore[attr-defined]  # our own attribute
        request.client_address = client_address(request)  # type: ignore[attr-defined]  # our own attribute
        channel = "admin" if request.path_info.lstrip("/").startswith(settings.ADMIN_URL) else "api"
        with acting_through(channel, request_id, caller_request_id):
            response = self.get_response(request)
        limits.settle(request, response)
        deprecation.announce(request, response)
        response["X-Request-ID"] = problems.known_as(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        response.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else _DATA_POLICY)
        # SecurityMiddleware sets the next two headers, too, but not if CorsMiddleware or HostMiddleware answers.
        response.setdefault("X-Content-Type-Options", "nosniff")
        response.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        if request.path_info.startswith("/api/"):
            response["Cache-Control"] = "no-store"
        if response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            # RFC 9110, section 8.6, forbids the Content-Length: 0 that CommonMiddleware sets in a 204 and a 304.
            del response["Content-Length"]
        self._log(request, response, started)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Applies the rate limit per IP address, and refuses bodies and headers that no view accepts.

        If the view authenticates requests, a request with a token is counted later, for its account.
        Other views ignore tokens, so a token doesn't exempt their requests from the limit of the IP address.
        """
        is_authenticated_later = bool(getattr(getattr(view, "cls", None), "authentication_classes", ()))
        is_counted_later = is_authenticated_later and "HTTP_AUTHORIZATION" in request.META
        try:
            if request.path_info.startswith(_LIGHT_PREFIXES):
                limits.admit_light(request, place_of(request))
            elif not is_counted_later:
                limits.admit(request, "anonymous", place_of(request))
            max_bytes = _max_body_bytes(request.path_info)
            if max_bytes and body_length(request) > max_bytes:
                raise BodyTooLarge(max_bytes)
            if not f"{request.path_info}/".startswith(("/api/", "/admin/")):
                # The API's parsers check the charset themselves. The honeypot (a fake admin login) accepts any charset.
                refuse_other_charsets(request)
            if request.path_info.startswith("/api/"):
                if "HTTP_TRANSFER_ENCODING" in request.META:
                    raise LengthRequired
                origin.set(origin.get()._replace(reason=_change_reason(request)))
        except (limits.TooManyRequests, BodyTooLarge, LengthRequired, UnsupportedMediaType, ValidationError) as refusal:
            return problems.from_exception(request, refusal)
        return None

    @staticmethod
    def _log(request: HttpRequest, response: HttpResponse, started: float) -> None:
        match = request.resolver_match
        log.info(
            "request",
            extra=request_ids(request)
            | {
                "method": shortened(request.method or ""),
                "route": match.route if match else None,
                "status": response.status_code,
                "actor": getattr(request, "actor_id", None),
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            },
        )


class ProblemMiddleware:
    """Turns errors outside DRF into problem documents, such as an error when the transaction begins or commits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not problems.is_admin_page(request):
            return problems.from_exception(request, error)
        return problems.outage_page(error)
