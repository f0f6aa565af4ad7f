"""Problem documents (`application/problem+json`, RFC 9457): the form of every API answer with status 400 or above."""

import logging
import sys
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseServerError
from django.views import defaults
from django.views.defaults import ERROR_PAGE_TEMPLATE
from rest_framework import exceptions, status
from rest_framework.views import set_rollback

from access.refusals import REASON_REQUIRED, refusal_of, sqlstate_of
from access.security_log import request_ids, security_event
from api.requests import limits
from api.requests.bounds import MAX_DETAIL_CHARS, MAX_ERRORS, BodyTooLarge, shortened
from api.requests.client_address import place_of

log = logging.getLogger("eecrm.error")

TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # titles of RFC 9110; Python 3.11 has older ones

NOT_FOUND = "Nothing is here, or nothing that you may see."


class BadQuery(exceptions.ValidationError):
    """Error 400 about parameters of the query string. The answer points to a parameter as `?name`."""


def problem(request: HttpRequest, status_code: int, code: str, detail: str, **members: Any) -> HttpResponse:
    """Returns an error answer: a problem document with this HTTP status.

    `code` is the document's member `code`, for example "not_found". `members` are further members, such as `rule`.
    """
    if status_code == status.HTTP_403_FORBIDDEN:
        security_event("authz_fail", request, rule=members.get("rule"))
    title = TITLES.get(status_code) or HTTPStatus(status_code).phrase
    body = {
        "type": "about:blank",
        "title": title,
        "status": status_code,
        "detail": _sentence(detail),
        "code": code,
        "request_id": known_as(request),
        **members,
    }
    response = HttpResponse(orjson.dumps(body), status=status_code, content_type="application/problem+json")
    if status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
        response["Retry-After"] = "1"
    return response


def _sentence(text: str) -> str:
    text = shortened(text, MAX_DETAIL_CHARS)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _pointers(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Yields an entry of `errors` for each message in DRF's nested error detail.

    Each entry has a JSON pointer (RFC 6901) to the part of the body that has the error.
    """
    match detail:
        case dict():
            for key, value in detail.items():
                step = "" if key == "non_field_errors" else "/" + str(key).replace("~", "~0").replace("/", "~1")
                yield from _pointers(value, pointer + step)
        case list():
            for value in detail:
                yield from _pointers(value, pointer)
        case _:
            sentence = _sentence(str(detail))
            yield {"pointer": shortened(pointer), "code": getattr(detail, "code", "invalid"), "detail": sentence}


def _invalid(request: HttpRequest, error: exceptions.ValidationError) -> HttpResponse:
    errors = list(islice(_pointers(error.detail, "#"), MAX_ERRORS))
    where = "request"
    if isinstance(error, BadQuery):
        where = "query"
        errors = [entry | {"pointer": "?" + entry["pointer"].removeprefix("#").removeprefix("/")} for entry in errors]
    fields = ", ".join(dict.fromkeys(entry["pointer"].lstrip("#/?") for entry in errors if len(entry["pointer"]) > 1))
    sentence = f"The {where} can't be accepted: see {fields}." if fields else errors[0]["detail"]
    return problem(request, 400, "invalid", sentence, errors=errors)


def _from_api_exception(request: HttpRequest, error: exceptions.APIException) -> HttpResponse:
    if isinstance(error, exceptions.ValidationError):
        return _invalid(request, error)
    name = error.get_codes() if isinstance(error.get_codes(), str) else error.default_code
    members: dict[str, Any] = dict(getattr(error, "members", {}))
    if error.status_code == status.HTTP_400_BAD_REQUEST:
        members["errors"] = [{"pointer": "#", "code": name, "detail": _sentence(str(error.detail))}]
    if error.status_code in (status.HTTP_403_FORBIDDEN, status.HTTP_409_CONFLICT):
        members["rule"] = getattr(error, "rule", "default.deny")
    detail = NOT_FOUND if isinstance(error, exceptions.NotFound) else str(error.detail)
    response = problem(request, error.status_code, str(name), detail, **members)
    if wait := getattr(error, "wait", None):  # seconds after which the caller may try again
        response["Retry-After"] = str(wait)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    for name, value in getattr(error, "headers", {}).items():
        response[name] = value
    return response


def _from_database(request: HttpRequest, error: Exception) -> HttpResponse | None:
    refusal = refusal_of(error)
    if refusal is None:
        return None
    members: dict[str, Any] = {}
    pointer = "#"
    if refusal.code == REASON_REQUIRED:
        pointer = "X-Change-Reason"
        refusal = refusal._replace(sentence=f"{refusal.sentence} Send a reason with {pointer}.")
    match refusal.status:
        case 400:
            members["errors"] = [{"pointer": pointer, "code": refusal.rule, "detail": refusal.sentence}]
        case 403 | 409:
            members["rule"] = refusal.rule
    if refusal.status in (403, 503):
        # A 403 from PostgreSQL means a bug: the policy in Python should have refused the request before.
        # A 503 means an outage, which an operator must repair. So both are logged.
        extra = request_ids(request) | {"sqlstate": sqlstate_of(error)}
        log.warning("the database refused: %s", error, extra=extra)
    response = problem(request, refusal.status, refusal.code, refusal.sentence, **members)
    if refusal.status == status.HTTP_503_SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def from_exception(request: HttpRequest, error: Exception) -> HttpResponse:
    """Returns the problem document for any exception. Unexpected exceptions are logged and become a 500."""
    match error:
        case exceptions.APIException():
            return _from_api_exception(request, error)
        case Http404():
            return problem(request, 404, "not_found", NOT_FOUND)
        case DjangoPermissionDenied():
            return problem(request, 403, "permission_denied", "You may not do this.", rule="default.deny")
        case RequestDataTooBig():
            return _from_api_exception(request, BodyTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
        case SuspiciousOperation():
            return _from_api_exception(request, exceptions.ParseError("The request is malformed."))
    if response := _from_database(request, error):
        return response
    log.error("unforeseen: %s", type(error).__name__, exc_info=error, extra=request_ids(request))
    return problem(request, 500, "internal_error", "Something went wrong on our side; it has been logged.")


def handle_exception(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler. It rolls back the request's transaction, so that a refused request changes nothing."""
    set_rollback()
    return from_exception(context["request"]._request, error)


def is_admin_page(request: HttpRequest) -> bool:
    """Does this path answer with HTML pages? True for the admin site, the honeypot and the pages of accounts."""
    return request.path_info.lstrip("/").startswith((settings.ADMIN_URL, "account/", "admin/"))


def outage_page(error: BaseException | None, further: str = "") -> HttpResponse | None:
    """Returns a 503 page if the error is an outage of the database, None for any other error.

    `further` is HTML that the page shows below the error sentence.
    """
    refusal = refusal_of(error) if error else None
    if refusal is None or refusal.status != status.HTTP_503_SERVICE_UNAVAILABLE:
        return None
    return HttpResponse(
        f"<!doctype html><title>Epic Events CRM</title><p>{refusal.sentence}{further and f'<p>{further}'}",
        status=503,
        headers={"Retry-After": str(refusal.retry_after)},
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_admin_page(request):
        # Django's own error view would read the form again, and reading the form may have caused this error.
        return HttpResponseBadRequest(ERROR_PAGE_TEMPLATE % {"title": "Bad Request (400)", "details": ""})
    if isinstance(exception, RequestDataTooBig):
        return _from_api_exception(request, BodyTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    return _from_api_exception(request, exceptions.ParseError("The request is malformed."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_admin_page(request):
        security_event("authz_fail", request, rule="admin_site")
        return defaults.permission_denied(request, exception)
    return from_exception(request, DjangoPermissionDenied())


def known_as(request: HttpRequest) -> str:
    """Returns the `X-Request-ID` of the answer: the id that the caller sent, or else the id that the server made.

    Logs and the audit trail store both ids separately.
    Returns "" if the request is refused before RequestMiddleware has given it an id.
    """
    ids = request_ids(request)
    return ids["caller_request_id"] or ids["request_id"] or ""


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answers 404 for an unknown path (Django's `handler404`).

    The handler counts the request for the rate limit, because RequestMiddleware doesn't count requests without a view.
    """
    try:
        limits.admit_light(request, place_of(request))
    except limits.TooManyRequests as refusal:
        return from_exception(request, refusal)
    if is_admin_page(request):
        return defaults.page_not_found(request, exception)
    detail = NOT_FOUND if request.path_info.endswith("/") else "Nothing is here: the paths of this API end in a slash."
    return problem(request, 404, "not_found", detail)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers 500 for an error that no other handler catches, such as a session that can't be stored.

    This is Django's `handler500`. Django calls it while it handles the exception, so `sys.exception()` returns that
    exception.
    """
    error = sys.exception()
    if is_admin_page(request):
        if page := outage_page(error):
            return page
        log.error("unforeseen: %s", type(error).__name__, exc_info=error, extra=request_ids(request))
        return HttpResponseServerError(ERROR_PAGE_TEMPLATE % {"title": "Server Error (500)", "details": ""})
    return problem(request, 500, "internal_error", "Something went wrong on our side; it has been logged.")
