"""What is true of every request and answer: an id, headers that keep browsers strict, one log line, no stray error page."""

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
from api import deprecation, limits, problems
from api.addresses import client_address, place_of
from api.bounds import MAX_CREDENTIAL_BYTES, MAX_FORM_BYTES, BodyTooLarge, body_length, shown
from api.parsers import LengthRequired
from api.requests import refuse_other_charsets

log = logging.getLogger("eecrm.request")

# The honeypot (accounts.gate.decoy) and health cost next to nothing. Files are counted by StaticFilesMiddleware.
_LIGHT = ("/health/", "/admin/")

_SITE = f"/{settings.ADMIN_URL}"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Pages (admin, docs) load their own files only; answers of the API load nothing.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


def _reason(request: HttpRequest) -> str:
    """Why the caller does it, from `X-Change-Reason` in UTF-8. Raises ValidationError for what is no line of text."""
    try:
        text = request.META.get("HTTP_X_CHANGE_REASON", "").encode("latin-1").decode().strip()
    except UnicodeError:
        text = "\x00"
    if not reasons.is_fit(text):
        raise ValidationError({"X-Change-Reason": [ErrorDetail(reasons.UNFIT, code="invalid")]})
    return text


def _most_bytes(path: str) -> int:
    """Of a form; 0 where whoever reads the body bounds it. What is for people who aren't logged in is shown again with what
    was typed."""
    if path.startswith(_SITE) and path != f"{_SITE}login/":
        return MAX_FORM_BYTES
    return 0 if path.startswith(("/api/", "/admin/")) else MAX_CREDENTIAL_BYTES


class RequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request.caller_request_id = given if _REQUEST_ID.fullmatch(given) else ""  # type: ignore[attr-defined]  # ours
        request.request_id = uuid4().hex  # type: ignore[attr-defined]  # ours
        request.client_address = client_address(request)  # type: ignore[attr-defined]  # ours
        channel = "admin" if request.path_info.lstrip("/").startswith(settings.ADMIN_URL) else "api"
        with acting_through(channel, request.request_id, request.caller_request_id):  # type: ignore[attr-defined]  # set above
            response = self.get_response(request)
        limits.settle(request, response)
        deprecation.announce(request, response)
        response["X-Request-ID"] = problems.known_as(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        response.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else _DATA_POLICY)
        # SecurityMiddleware sets them, but not where it was never asked.
        response.setdefault("X-Content-Type-Options", "nosniff")
        response.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        if request.path_info.startswith("/api/"):
            response["Cache-Control"] = "no-store"
        if response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            # Django counts the bytes of a body that there isn't: RFC 9110, section 8.6, forbids to tell.
            del response["Content-Length"]
        self._log(request, response, started)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """429 for an address that asks too much. Whose token it is, where a view wants to know, authentication finds out:
        anybody can send a token to a view that doesn't look at it."""
        asks_who = bool(getattr(getattr(view, "cls", None), "authentication_classes", ()))
        counted_later = asks_who and "HTTP_AUTHORIZATION" in request.META
        try:
            if request.path_info.startswith(_LIGHT):
                limits.admit_light(request, place_of(request))
            elif not counted_later:
                limits.admit(request, "anonymous", place_of(request))
            most = _most_bytes(request.path_info)
            if most and body_length(request) > most:
                raise BodyTooLarge(most)
            if not f"{request.path_info}/".startswith(("/api/", "/admin/")):
                refuse_other_charsets(request)  # in the API, whoever reads the body does; a stock admin site doesn't
            if request.path_info.startswith("/api/"):
                if "HTTP_TRANSFER_ENCODING" in request.META:
                    raise LengthRequired
                origin.set(origin.get()._replace(reason=_reason(request)))
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
                "method": shown(request.method or ""),
                "route": match.route if match else None,
                "status": response.status_code,
                "actor": getattr(request, "actor_id", None),
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            },
        )


class ProblemMiddleware:
    """Errors outside DRF's reach (opening and committing the transaction among them) are problem documents too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not problems.is_admin_page(request):
            return problems.from_exception(request, error)
        return problems.outage_page(error)
