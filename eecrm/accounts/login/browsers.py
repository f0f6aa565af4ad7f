"""A browser in which an account has logged in is a place of its own (`security.md` 34).

Colleagues at one office share one address. Without a mark of their own, one of them who sends wrong passwords for another's
account would keep it out there. The mark is a cookie that names a random browser and proves for which account it was made;
it lets nobody in, and what fails with it counts for this browser alone. A new password forgets all places (trigger
`account_forgets_places`): who knew the old one may have left marks behind.
"""

from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import KnownPlace, User, note_place
from accounts.models.session import UNUSED_PLACES
from api.requests.client_address import place_of

MOST_BROWSERS = 10  # of one account, the last ones: each may be tried with as many wrong passwords as an address


def place_for(request: HttpRequest, username: str) -> str:
    """The place that this request comes from, for the account of this name: its marked browser, or the address."""
    browser, _, proof = request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "").partition(".")
    return f"browser {browser}" if constant_time_compare(proof, _proof(browser, username)) else place_of(request)


def know(request: HttpRequest, user: User) -> None:
    """The account has just proved to be its owner's, here: the login role notes address and browser.

    `mark` gives the browser its cookie with the answer.
    """
    place = place_for(request, user.username)
    if place == place_of(request):
        browser = uuid4().hex
        request.browser_mark = f"{browser}.{_proof(browser, user.username)}"  # type: ignore[attr-defined]  # for mark
        note_place(user, f"browser {browser}")
    else:
        request.browser_mark = request.COOKIES[settings.BROWSER_COOKIE_NAME]  # type: ignore[attr-defined]  # as above
    for one in {place, place_of(request)}:
        note_place(user, one)
    mine = KnownPlace.objects.filter(user=user, place__startswith="browser ")
    mine.filter(pk__in=mine.order_by("-used_at", "-pk").values("pk")[MOST_BROWSERS:]).delete()


def mark(request: HttpRequest, response: HttpResponse) -> None:
    """Where an account was proved in this request, its browser is marked for as long as the place is remembered."""
    if value := getattr(request, "browser_mark", ""):
        age = int(UNUSED_PLACES.total_seconds())
        response.set_cookie(
            settings.BROWSER_COOKIE_NAME,
            value,
            max_age=age,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def _proof(browser: str, username: str) -> str:
    return salted_hmac("accounts.login.browsers", f"{browser} {username}", algorithm="sha256").hexdigest()
