"""The second factor of an account: an authenticator app (TOTP, RFC 6238) and ten recovery codes, each used once.

The secrets are readable by the login role alone: what is here runs before a database role is entered, but for `erase`.
"""

import logging
import re
import secrets
from base64 import b32encode
from hashlib import sha256
from math import ceil
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from access.security_log import security_event

RECOVERY_CODES = 10

_TOTP = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[A-Z2-7]{16}")

WRONG = "This code isn't right, or was used before: wait for the next one."
NO_CODE = "A code is the six digits of your app, or one of your recovery codes."


def grouped(text: str) -> str:
    """In groups of four, for people to copy."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _plain(text: str) -> str:
    return re.sub(r"[\s-]", "", text).upper()


def _digest(code: str) -> str:
    """What is stored of a recovery code. Its 80 random bits need no salt and no slow hash; the column holds 16 characters."""
    return b32encode(sha256(code.encode()).digest()).decode()[:16]


def refusal(device: Any, token: str) -> str:
    """Why this device doesn't take the token, in a sentence; empty where it does. django_otp counts, and remembers use."""
    allowed, details = device.verify_is_allowed()
    if not allowed:
        seconds = ceil((details["locked_until"] - timezone.now()).total_seconds())
        return f"Too many wrong codes: try again in {seconds} second{'' if seconds == 1 else 's'}."
    return "" if device.verify_token(token) else WRONG


def check(request: HttpRequest, code: str) -> str:
    """Use up a code of the visitor's app or a recovery code: empty where it is right, else a sentence why not.

    Must be answered, not raised: the count of failures is in the transaction of the request.
    """
    text = _plain(code)
    devices: Any
    if _TOTP.fullmatch(text):
        factor, devices, token = "totp", TOTPDevice.objects, text
    elif _RECOVERY.fullmatch(text):
        factor, devices, token = "recovery_code", StaticDevice.objects, _digest(text)
    else:
        return NO_CODE
    # Locked, so that of two requests with one code only one finds it unused.
    device = devices.select_for_update().filter(user=request.user, confirmed=True).first()
    sentence = refusal(device, token) if device else WRONG
    security_event(
        "authn_login_fail" if sentence else "authn_login_success",
        request,
        level=logging.WARNING if sentence else logging.INFO,
        account=request.user.pk,
        factor=factor,
        failures=device.throttling_failure_count if device else 0,
    )
    return sentence


def begin(user: Any) -> TOTPDevice:
    """A device with a new secret, not confirmed yet; an earlier one that never was is forgotten."""
    TOTPDevice.objects.filter(user=user, confirmed=False).delete()
    return TOTPDevice.objects.create(user=user, name="Authenticator app", confirmed=False)


def confirm(request: HttpRequest, device: TOTPDevice) -> list[str]:
    """Make this device the account's only one; its recovery codes, which nobody can read again."""
    TOTPDevice.objects.filter(user=request.user).exclude(pk=device.pk).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    security_event("authn_token_created", request, level=logging.INFO, account=request.user.pk, factor="totp")
    return new_recovery_codes(request)


def new_recovery_codes(request: HttpRequest) -> list[str]:
    """Ten codes in place of all that were there. Only their digests are stored."""
    codes = [b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES)]
    _delete(StaticDevice, request.user)
    device = StaticDevice.objects.create(user=request.user, name="Recovery codes")
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(code)) for code in codes)
    security_event("authn_token_created", request, level=logging.INFO, account=request.user.pk, factor="recovery_code")
    return codes


def recovery_codes_left(user: Any) -> int:
    return StaticToken.objects.filter(device__user=user).count()


def erase(user: Any) -> bool:
    """Take an account's second factor away; whether it had one. Managers may do it, without reading any secret."""
    _delete(TOTPDevice, user)
    return _delete(StaticDevice, user) > 0  # every confirmed app came with its codes


def _delete(model: type[Model], user: Any) -> int:
    """Left to the database, whose foreign keys take the recovery codes along: Django would read the rows first."""
    rows: Any = model._default_manager.filter(user=user)
    return rows._raw_delete(rows.db)
