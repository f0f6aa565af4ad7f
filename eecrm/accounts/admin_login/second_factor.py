"""Second factor of an account: an authenticator app (TOTP, RFC 6238) and ten recovery codes, each used once.

Only PostgreSQL's login role (`eecrm_app`) may read the secrets. So these functions, except `erase`, must run before
SET ROLE switches to the caller's role.
"""

import logging
import re
import secrets
import time
import unicodedata
from base64 import b32encode
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import Any

from django.db.models import Model
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_otp.oath import TOTP, hotp
from django_otp.plugins.otp_static.models import StaticToken

from access.security_log import security_event
from accounts.admin_login import seeds
from accounts.admin_login.session_store import MAX_REPEAT_SECONDS
from accounts.models import AuthenticatorApp, Mail, RecoveryCodes, User
from accounts.models.second_factor import SEED_BYTES, SeedUnreadable
from api.spelling import without_signs

RECOVERY_CODES = 10

_TOTP = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[A-Z2-7]{16}")

WRONG = "This code isn't right, or was used before: wait for the next one. If that fails too, check the phone's clock."
OTHER_MINUTE = (
    "This code is right for another minute: let the phone set its clock by itself, and enter the newest code."
)
NO_CODE = "A code is the six digits of your app, or one of your recovery codes."
UNREADABLE = "The codes of your app can't be checked at the moment: use a recovery code, or ask a manager for a reset."

MIN_FAILURES_TO_MAIL = 5  # wrong codes in a row after which the owner gets a mail
# Maximum error of a phone's clock that a refusal names: an hour, as after a change of summer time, and some minutes.
MAX_CLOCK_ERROR_SECONDS = 65 * 60
MAX_SET_UP_SECONDS = 15 * 60  # time to enter the app's first code after the page has shown the seed (TOTP secret)


def grouped(text: str) -> str:
    """Returns the text in groups of four characters, because users copy groups more easily."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def plain_code(text: str) -> str:
    """Returns a typed or pasted code without spaces, dashes, dots and invisible characters, in capital letters."""
    visible = without_signs(unicodedata.normalize("NFKC", text))
    return "".join(filter(str.isalnum, visible)).upper()


def _code_digest(code: str) -> str:
    """Returns the digest of a recovery code. The database stores the digest instead of the code.

    A code has 80 random bits, so its digest needs no salt and no slow hash. The digest is cut to 16 characters,
    because the column holds no more.
    """
    return b32encode(sha256(code.encode()).digest()).decode()[:16]


def device_refusal(device: AuthenticatorApp | RecoveryCodes, token: str) -> str:
    """Checks a token (a code of the app, or the digest of a recovery code).

    `device` is the django_otp object that checks the token: the account's app or its recovery codes. Returns an empty
    string if the token is right, otherwise a sentence with the reason. django_otp counts failures and remembers used
    tokens.
    """
    allowed, details = device.verify_is_allowed()
    if not allowed:
        seconds = ceil((details["locked_until"] - timezone.now()).total_seconds())
        return f"Too many wrong codes: try again in {seconds} second{'' if seconds == 1 else 's'}."
    try:
        if device.verify_token(token):
            return ""
    except SeedUnreadable:
        return UNREADABLE
    is_old = isinstance(device, AuthenticatorApp) and _is_of_another_time(device, token, until=-device.tolerance - 1)
    return OTHER_MINUTE if is_old else WRONG


def _is_of_another_time(app: AuthenticatorApp, code: str, *, until: int) -> bool:
    """Returns True if the app showed this code within the last MAX_CLOCK_ERROR_SECONDS, or shows it soon.

    `until` is the latest time that counts, in steps of the app (30 seconds) from now. It must be in the past for an
    app in use. Otherwise an attacker could guess a code of a later time, learn that it is right, and use it then.
    """
    now = int(time.time() - app.t0) // app.step + app.drift
    steps = range(now - MAX_CLOCK_ERROR_SECONDS // app.step, now + until + 1)
    seed = app.bin_key
    return any(hotp(seed, step, app.digits) == int(code) for step in steps)


def use_code(request: HttpRequest, user: User, code: str) -> str:
    """Checks a code of the account's app, or a recovery code. A right code can't be used again.

    Returns an empty string if the code is right, otherwise a sentence with the reason. The view must return this
    sentence without raising an exception, because an exception would roll back the count of failures.
    """
    text = plain_code(code)
    devices: Any
    if _TOTP.fullmatch(text):
        factor, devices, token = "totp", AuthenticatorApp.objects, text
    elif _RECOVERY.fullmatch(text):
        factor, devices, token = "recovery_code", RecoveryCodes.objects, _code_digest(text)
    else:
        return NO_CODE
    # Without the lock two requests could both use the same code.
    device = devices.select_for_update().filter(user=user, confirmed=True).first()
    sentence = device_refusal(device, token) if device else WRONG
    security_event(
        "authn_login_fail" if sentence else "authn_login_success",
        request,
        level=logging.CRITICAL if sentence == UNREADABLE else logging.WARNING if sentence else logging.INFO,
        account=user.pk,
        factor=factor,
        failures=device.throttling_failure_count if device else 0,
    )
    if sentence in (WRONG, OTHER_MINUTE) and device and device.throttling_failure_count >= MIN_FAILURES_TO_MAIL:
        _mail_owner(user)
    return sentence


def _mail_owner(user: User) -> None:
    """Mails the account's owner about wrong codes, at most once a day.

    The owner should know, because the sender of the wrong codes has the password: a code is checked only after a
    right password.
    """
    recent = Mail.objects.filter(kind=Mail.Kind.CODES_REFUSED, user=user, created_at__gt=Now() - timedelta(days=1))
    if not recent.exists():
        Mail.objects.tell_owner(Mail.Kind.CODES_REFUSED, user)


def offer(user: User) -> AuthenticatorApp:
    """Returns a new authenticator app with a new seed (TOTP secret), without saving the app.

    The set-up page contains the seed twice: in clear for the phone, and encrypted in a hidden field of the form.
    """
    return AuthenticatorApp(
        user=user, key=seeds.encrypt_seed(secrets.token_bytes(SEED_BYTES)), name="Authenticator app"
    )


def sealed_offer(app: AuthenticatorApp, *, replaces: AuthenticatorApp | None) -> str:
    """Returns the encrypted seed (TOTP secret) of a new app, for a hidden field of the set-up form.

    The encrypted text is valid for 15 minutes and for one account. `replaces` is the account's present app: the new app
    may replace this app and no other. `replaces` is None if the account has no app yet.
    """
    return seeds.encrypt_seed(f"{app.user_id} {replaces.pk if replaces else 0} {app.bin_key.hex()}".encode())


def offered(user: User, text: str, *, replaces: AuthenticatorApp | None) -> AuthenticatorApp | None:
    """Returns the new authenticator app whose seed the form sends back in `text`, encrypted by `sealed_offer`.

    `replaces` is the account's present app, or None. Returns None if the text is too old or belongs to another account.
    Also returns None if the account's app has changed since the text was made.
    """
    content = seeds.decrypt_seed(text, within=MAX_SET_UP_SECONDS) or b""
    user_key, _, rest = content.partition(b" ")
    replaced_key, _, seed = rest.partition(b" ")
    if (user_key, replaced_key) != (b"%d" % user.pk, b"%d" % (replaces.pk if replaces else 0)):
        return None
    app = offer(user)
    app.key = seeds.encrypt_seed(bytes.fromhex(seed.decode()))
    return app


def first_code_refusal(app: AuthenticatorApp, code: str) -> str:
    """Checks the first code of a new app. Returns an empty string if the app shows this code now, else a sentence.

    A right code then counts as used, so that nobody can log in with the same code. The user knows the seed of the new
    app, so the sentence may name a wrong clock in both directions.
    """
    text = plain_code(code)
    clock = TOTP(app.bin_key, app.step, app.t0, app.digits)
    clock.time = time.time()
    if not _TOTP.fullmatch(text):
        return WRONG
    if not clock.verify(int(text), app.tolerance):
        soon = MAX_CLOCK_ERROR_SECONDS // app.step
        return OTHER_MINUTE if _is_of_another_time(app, text, until=soon) else WRONG
    app.last_t, app.drift = clock.t(), clock.drift
    return ""


def enrol(request: HttpRequest, app: AuthenticatorApp, mark: str) -> list[str]:
    """Saves this app as the account's only app. Returns new recovery codes, which can't be shown again later.

    Other logins of the account end, because they began without a code of the new app. The owner gets a mail.
    """
    user = app.user
    kind = Mail.Kind.FACTOR_REPLACED if _delete(AuthenticatorApp, user) else Mail.Kind.FACTOR_SET_UP
    app.save(force_insert=True)
    user.logins_ended += User.objects.filter(pk=user.pk).end_logins()
    security_event("authn_token_created", request, level=logging.INFO, account=user.pk, factor="totp")
    Mail.objects.tell_owner(kind, user)
    return _new_codes(request, user, mark)


def new_recovery_codes(request: HttpRequest, user: User, mark: str) -> list[str]:
    """Replaces the account's recovery codes by ten new ones, and returns the new ones. The owner gets a mail."""
    Mail.objects.tell_owner(Mail.Kind.RECOVERY_CODES, user)
    return _new_codes(request, user, mark)


def _new_codes(request: HttpRequest, user: User, mark: str) -> list[str]:
    """Replaces the account's recovery codes, and returns the new ones. The database stores only digests of codes."""
    codes = _codes_of(user, mark)
    _delete(RecoveryCodes, user)
    device = RecoveryCodes.objects.create(user=user, name="Recovery codes")
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_code_digest(code)) for code in codes)
    security_event("authn_token_created", request, level=logging.INFO, account=user.pk, factor="recovery_code")
    return codes


def _codes_of(user: User, mark: str) -> list[str]:
    """Returns the recovery codes that a form with this mark makes.

    The codes are computed from the mark and the SECRET_KEY, so that a form that is sent twice shows the same codes
    twice. Nothing stores the mark, which has 128 random bits, so nobody can compute the codes later.
    """
    digests = [
        salted_hmac("accounts.recovery_codes", f"{user.pk} {mark} {number}", algorithm="sha256").digest()
        for number in range(RECOVERY_CODES)
    ]
    return [b32encode(digest[:10]).decode() for digest in digests]


def repeated_codes(user: User, mark: str) -> list[str]:
    """Returns the recovery codes that a form with this mark made a moment ago. [] if it made none, or one was used."""
    since = Now() - timedelta(seconds=MAX_REPEAT_SECONDS)
    tokens = StaticToken.objects.filter(device__user=user, device__created_at__gt=since)
    codes = _codes_of(user, mark)
    stored = set(tokens.values_list("token", flat=True))
    return codes if stored == {_code_digest(code) for code in codes} else []


def remove(request: HttpRequest, user: User) -> None:
    """Removes the second factor of an owner who has just entered a code. The owner gets a mail.

    Other logins of the account end. Without a second factor, the password is enough for a login. So a session that
    still waits for its code would otherwise count as fully logged in.
    """
    erase(user)
    user.logins_ended += User.objects.filter(pk=user.pk).end_logins()
    Mail.objects.tell_owner(Mail.Kind.FACTOR_REMOVED, user)
    security_event("authn_token_revoked", request, account=user.pk, factor="totp", reason="removed")


def recovery_codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


def erase(user: User) -> bool:
    """Deletes the account's second factor. Returns True if the account had one.

    Managers may call this function, because it reads no secret. If a manager deletes the second factor, the trigger
    `totp_reset_ends_password` also ends the password and mails the owner a link. If the login role (`eecrm_app`)
    deletes the second factor, the password stays, because the owner has entered a code.
    """
    had_one = _delete(AuthenticatorApp, user) > 0
    return _delete(RecoveryCodes, user) > 0 or had_one


def _delete(model: type[Model], user: User) -> int:
    """Deletes the account's rows of `model` with one SQL statement, and returns the number of rows.

    If the row is a set of recovery codes, a foreign key deletes its codes too. Django's own deletion isn't used,
    because it would read the rows first, and managers may not read them.
    """
    rows: Any = model._default_manager.filter(user=user)
    return rows._raw_delete(rows.db)
