"""Known browsers: a cookie marks a browser in which an account has logged in (`security.md` 34).

Colleagues in one office share one IP address. Without the cookie, a colleague who sends wrong passwords could lock
an account out at that IP address. With the cookie, failed logins count for this browser and not for the IP address.
The cookie holds a random browser id and an HMAC for one account. The cookie logs nobody in.

A person who knew an old password may have marked browsers. So a new password deletes all known places of the account,
which are IP addresses and browsers (trigger `account_forgets_places`). The server ignores the cookie of a deleted
place. Otherwise each old cookie would allow more wrong passwords, and many wrong passwords could lock the account out.
"""

from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from access.database import as_login_role
from accounts.models import KnownPlace, User, note_place
from accounts.models.session import MAX_KNOWN_ADDRESSES, UNUSED_PLACES
from api.requests.client_address import place_of

# Maximum number of known browsers of an account. If there are more, the least recently used browsers are forgotten.
# The number of known browsers is limited, because each known browser allows more wrong passwords.
MAX_KNOWN_BROWSERS = 10


def place_for(request: HttpRequest, username: str) -> str:
    """Returns the place where failed logins of this username count.

    The place is a known browser, or else the IP address of the request.
    """
    browser, _, proof = request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "").partition(".")
    place = f"browser {browser}"
    is_marked = constant_time_compare(proof, _proof(browser, username))
    return place if is_marked and _is_known(place, username) else place_of(request)


def _is_known(place: str, username: str) -> bool:
    with as_login_role():
        return KnownPlace.objects.filter(user__username=username, place=place).exists()


def know(request: HttpRequest, user: User) -> None:
    """Stores the IP address and the browser of the request as known places of an account that has just logged in.

    Runs in PostgreSQL's login role (`eecrm_app`). `mark` then sets the browser's cookie on the response.

    Stores nothing if all logins of the account were ended since `user` was read. Otherwise a login that began with
    an old password could store a place after the password has changed.
    """
    with transaction.atomic():
        current = User.objects.select_for_update(no_key=True).filter(pk=user.pk, logins_ended=user.logins_ended)
        if list(current.values_list("pk")):
            _know(request, user)


def _know(request: HttpRequest, user: User) -> None:
    place = place_for(request, user.username)
    if place == place_of(request):
        browser = uuid4().hex
        value = f"{browser}.{_proof(browser, user.username)}"
        request.browser_mark = value  # type: ignore[attr-defined]  # `mark` reads this attribute
        note_place(user, f"browser {browser}")
    else:
        # `mark` reads this attribute, and sets the cookie again.
        request.browser_mark = request.COOKIES[settings.BROWSER_COOKIE_NAME]  # type: ignore[attr-defined]  # for `mark`
    for known in {place, place_of(request)}:
        note_place(user, known)
    is_browser = Q(place__startswith="browser ")
    for kind, limit in ((is_browser, MAX_KNOWN_BROWSERS), (~is_browser, MAX_KNOWN_ADDRESSES)):
        rows = KnownPlace.objects.filter(kind, user=user)
        rows.filter(pk__in=rows.order_by("-used_at", "-pk").values("pk")[limit:]).delete()


def mark(request: HttpRequest, response: HttpResponse) -> None:
    """Sets the cookie of the browser if an account logged in during this request.

    The cookie lives as long as the server keeps a known place (IP address or browser) that nobody uses.
    """
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
