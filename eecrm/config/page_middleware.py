"""Django's middlewares, as far as this project uses them. Those for sessions and messages skip requests to the API.

The API uses tokens and no cookies, so it needs no session. Without these middlewares a list request costs a tenth less.

The classes are subclasses of Django's middlewares, because Django's system checks look for Django's classes in the
settings. Django looks for CsrfViewMiddleware by name, so this class is used unchanged. It does almost nothing for views
exempt from CSRF checks.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.middleware import common
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
        return super().__call__(request)  # type: ignore[misc]  # defined by the other base class


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """Counts each request for a static file against the rate limit of the sender's IP address.

    RequestMiddleware doesn't count such requests, because Django resolves no view for them.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(settings.STATIC_URL):
            try:
                limits.admit_light(request, place_of(request))
            except limits.TooManyRequests as refusal:
                return problems.from_exception(request, refusal)
        response: HttpResponse = super().__call__(request)
        return response


class CommonMiddleware(common.CommonMiddleware):
    """Sets the header Content-Length. The other work of Django's CommonMiddleware is left out.

    Django's class would also read the Host of each request, for redirects that our settings don't turn on. A health
    check by IP address would then get a 400, because ALLOWED_HOSTS doesn't list the server's IP address.
    """

    def process_request(self, request: HttpRequest) -> None:
        pass


class SessionMiddleware(_PagesOnly, sessions.SessionMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Keeps the cookie of a session that the table doesn't have.

        An answer to the first of two clicks may have replaced the cookie in the meantime. The browser would lose it.
        """
        response = super().process_response(request, response)
        if getattr(request.session, "is_unknown", False) and request.session.is_empty():
            response.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        return response


class AuthenticationMiddleware(_PagesOnly, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(_PagesOnly, messages.MessageMiddleware):
    pass


class PageSessionLimitMiddleware(_PagesOnly, session_limits.SessionLimitMiddleware):
    pass
