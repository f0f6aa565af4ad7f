"""Second factors: django_otp's devices with an encrypted seed, and with pauses that end."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.admin_login import seeds

SEED_BYTES = 20  # RFC 4226, section 4, R6
MAX_PAUSE = timedelta(minutes=15)


class SeedUnreadable(Exception):
    """The seed was encrypted with a key that isn't configured any more."""


class ShortPause:
    """The pause after wrong codes doubles each time, and lasts 15 minutes at most: a colleague is never kept out for long."""

    throttling_failure_timestamp: Any

    def verify_is_allowed(self) -> tuple[bool, Any]:
        allowed, details = super().verify_is_allowed()  # type: ignore[misc]  # a mixin of django_otp's devices
        if allowed:
            return allowed, details
        end = min(details["locked_until"], self.throttling_failure_timestamp + MAX_PAUSE)
        return (True, None) if end <= timezone.now() else (False, details | {"locked_until": end})


class AuthenticatorApp(ShortPause, TOTPDevice):
    """A confirmed authenticator app (TOTP, RFC 6238). `key` holds its seed as `accounts.admin_login.seeds` seals it."""

    class Meta:
        proxy = True
        default_permissions = ()

    @property
    def bin_key(self) -> bytes:
        seed = seeds.decrypt_seed(self.key)
        if seed is None:
            raise SeedUnreadable
        return seed


class RecoveryCodes(ShortPause, StaticDevice):
    """The recovery codes of an account, as digests, with a limit of their own."""

    class Meta:
        proxy = True
        default_permissions = ()
