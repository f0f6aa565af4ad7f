"""The second factor of an account: an authenticator app (TOTP, RFC 6238) and ten recovery codes, each used once.

The secrets are readable by the login role alone: what is here runs before a database role is entered, but for `erase`.
"""

import logging
import re
import secrets
import time
from base64 import b32encode
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import Any

from django.db.models import Model
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken

from access.security_log import security_event
from accounts.admin_login import seeds
from accounts.models import AuthenticatorApp, Mail, RecoveryCodes, User
from accounts.models.second_factor import SEED_BYTES, SeedUnreadable

RECOVERY_CODES = 10

_TOTP = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[A-Z2-7]{16}")

WRONG = "This code isn't right, or was used before: wait for the next one."
NO_CODE = "A code is the six digits of your app, or one of your recovery codes."
UNREADABLE = "The codes of your app can't be checked at the moment: use a recovery code, or ask a manager for a reset."

TOLD_FAILURES = 5  # wrong codes in a row of which the owner learns by mail
SET_UP_WITHIN = 15 * 60  # seconds in which the first code of a shown seed has to come


def grouped(text: str) -> str:
    """In groups of four, for people to copy."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _plain_code(text: str) -> str:
    return re.sub(r"[\s-]", "", text).upper()


def _code_digest(code: str) -> str:
    """What is stored of a recovery code. Its 80 random bits need no salt and no slow hash; the column holds 16 characters."""
    return b32encode(sha256(code.encode()).digest()).decode()[:16]


def device_refusal(device: AuthenticatorApp | RecoveryCodes, token: str) -> str:
    """The reason why this device doesn't take the token, as a sentence, or nothing. django_otp counts, and remembers use."""
    allowed, details = device.verify_is_allowed()
    if not allowed:
        seconds = ceil((details["locked_until"] - timezone.now()).total_seconds())
        return f"Too many wrong codes: try again in {seconds} second{'' if seconds == 1 else 's'}."
    try:
        return "" if device.verify_token(token) else WRONG
    except SeedUnreadable:
        return UNREADABLE


def use_code(request: HttpRequest, user: User, code: str) -> str:
    """Use up a code of the account's app or a recovery code: empty where it is right, else a sentence why not.

    Must be answered, not raised: the count of failures is in the transaction of the request.
    """
    text = _plain_code(code)
    devices: Any
    if _TOTP.fullmatch(text):
        factor, devices, token = "totp", AuthenticatorApp.objects, text
    elif _RECOVERY.fullmatch(text):
        factor, devices, token = "recovery_code", RecoveryCodes.objects, _code_digest(text)
    else:
        return NO_CODE
    # Locked, so that of two requests with one code only one finds it unused.
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
    if sentence == WRONG and device and device.throttling_failure_count >= TOLD_FAILURES:
        _tell_owner(user)
    return sentence


def _tell_owner(user: User) -> None:
    """Codes are looked at after a right password only: the owner must know who keeps them out, or has it. Once a day."""
    told = Mail.objects.filter(kind=Mail.Kind.CODES_REFUSED, user=user, created_at__gt=Now() - timedelta(days=1))
    if not told.exists():
        Mail.objects.create(kind=Mail.Kind.CODES_REFUSED, user=user)


def offer(user: User) -> AuthenticatorApp:
    """An app with a new seed, stored nowhere: the page holds it, in clear for the phone and sealed for its answer."""
    return AuthenticatorApp(
        user=user, key=seeds.encrypt_seed(secrets.token_bytes(SEED_BYTES)), name="Authenticator app"
    )


def sealed_offer(app: AuthenticatorApp, *, replaces: AuthenticatorApp | None) -> str:
    """The offer as a form sends it back: good for one account, in place of one app (or none), and for 15 minutes."""
    return seeds.encrypt_seed(f"{app.user_id} {replaces.pk if replaces else 0} {app.bin_key.hex()}".encode())


def offered(user: User, text: str, *, replaces: AuthenticatorApp | None) -> AuthenticatorApp | None:
    """The app of this account that such a text offers; None for another account's, an old one, or one that came too late."""
    whole = seeds.decrypt_seed(text, within=SET_UP_WITHIN) or b""
    its_user, _, rest = whole.partition(b" ")
    in_place_of, _, seed = rest.partition(b" ")
    if (its_user, in_place_of) != (b"%d" % user.pk, b"%d" % (replaces.pk if replaces else 0)):
        return None
    app = offer(user)
    app.key = seeds.encrypt_seed(bytes.fromhex(seed.decode()))
    return app


def is_first_code(app: AuthenticatorApp, code: str) -> bool:
    """Whether this is the code that an offered app shows now. It counts as used, so that nobody enters with it again."""
    clock = TOTP(app.bin_key, app.step, app.t0, app.digits)
    clock.time = time.time()
    if not _TOTP.fullmatch(code) or not clock.verify(int(code), app.tolerance):
        return False
    app.last_t, app.drift = clock.t(), clock.drift
    return True


def enrol(request: HttpRequest, app: AuthenticatorApp) -> list[str]:
    """Make this app the account's only one; its recovery codes, which nobody can read again.

    Other logins of the account haven't shown it, and end. The owner learns of it by mail.
    """
    user = app.user
    kind = Mail.Kind.FACTOR_REPLACED if _delete(AuthenticatorApp, user) else Mail.Kind.FACTOR_SET_UP
    app.save(force_insert=True)
    user.logins_ended += User.objects.filter(pk=user.pk).end_logins()
    security_event("authn_token_created", request, level=logging.INFO, account=user.pk, factor="totp")
    Mail.objects.create(kind=kind, user=user)
    return _new_codes(request, user)


def new_recovery_codes(request: HttpRequest, user: User) -> list[str]:
    """Ten codes in place of all that were there. The owner learns of it by mail."""
    Mail.objects.create(kind=Mail.Kind.RECOVERY_CODES, user=user)
    return _new_codes(request, user)


def _new_codes(request: HttpRequest, user: User) -> list[str]:
    """Only their digests are stored."""
    codes = [b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES)]
    _delete(RecoveryCodes, user)
    device = RecoveryCodes.objects.create(user=user, name="Recovery codes")
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_code_digest(code)) for code in codes)
    security_event("authn_token_created", request, level=logging.INFO, account=user.pk, factor="recovery_code")
    return codes


def remove(request: HttpRequest, user: User) -> None:
    """Take the owner's second factor away, who has just shown it. The owner learns of it by mail.

    Other logins end: one that has shown the password alone would be all the way in.
    """
    erase(user)
    user.logins_ended += User.objects.filter(pk=user.pk).end_logins()
    Mail.objects.create(kind=Mail.Kind.FACTOR_REMOVED, user=user)
    security_event("authn_token_revoked", request, account=user.pk, factor="totp", reason="removed")


def recovery_codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


def erase(user: User) -> bool:
    """Take an account's second factor away; whether it had one. Managers may do it, without reading any secret.

    Then a trigger (totp_reset_ends_password) takes the password too and owes the owner a link by mail.
    """
    had_one = _delete(AuthenticatorApp, user) > 0
    return _delete(RecoveryCodes, user) > 0 or had_one


def _delete(model: type[Model], user: User) -> int:
    """Left to the database, whose foreign keys take the recovery codes along: Django would read the rows first."""
    rows: Any = model._default_manager.filter(user=user)
    return rows._raw_delete(rows.db)
