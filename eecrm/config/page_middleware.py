"""Django's middlewares for people with a browser. The API goes past them: it knows no cookie, and so no session, and nobody
but the owner of a token. (They cost a tenth of what a list costs.)

Subclasses, since Django's own checks look for each of them in the settings. It looks for its CsrfViewMiddleware by name:
that one stays as it is, and does next to nothing for views that are exempt.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts.admin_login import session_limits
from api.requests import limits, problems
from api.requests.client_address import place_of

API = "/api/"


class _PagesOnly:
    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(API):
            response: HttpResponse = self.get_response(request)
            return response
        return super().__call__(request)  # type: ignore[misc]  # a mixin


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """Files count for the limit of the address. No view is found for them, so RequestMiddleware doesn't count them."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(settings.STATIC_URL):
            try:
                limits.admit_light(request, place_of(request))
            except limits.TooManyRequests as refusal:
                return problems.from_exception(request, refusal)
        response: HttpResponse = super().__call__(request)
        return response


class SessionMiddleware(_PagesOnly, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(_PagesOnly, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(_PagesOnly, messages.MessageMiddleware):
    pass


class PageSessionLimitMiddleware(_PagesOnly, session_limits.SessionLimitMiddleware):
    pass
