"""Second factors: django_otp's devices, with an encrypted seed (TOTP secret) and a maximum pause after wrong codes."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.admin_login import seeds

SEED_BYTES = 20  # length that RFC 4226 recommends (section 4, R6)
MAX_PAUSE = timedelta(minutes=15)


class SeedUnreadable(Exception):
    """Raised if the seed (TOTP secret) was encrypted with a key that is no longer configured."""


class ShortPause:
    """Mixin: each wrong code doubles the pause before the next try, up to 15 minutes.

    Without the maximum, an attacker could keep the account's owner out for long.
    """

    throttling_failure_timestamp: Any

    def verify_is_allowed(self) -> tuple[bool, Any]:
        allowed, details = super().verify_is_allowed()  # type: ignore[misc]  # a mixin of django_otp's devices
        if allowed:
            return allowed, details
        end = min(details["locked_until"], self.throttling_failure_timestamp + MAX_PAUSE)
        return (True, None) if end <= timezone.now() else (False, details | {"locked_until": end})


class AuthenticatorApp(ShortPause, TOTPDevice):
    """An authenticator app (TOTP, RFC 6238). `key` holds its seed, encrypted by `accounts.admin_login.seeds`."""

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
    """Recovery codes of an account, stored as digests.

    Wrong recovery codes and wrong codes of the app are counted separately.
    """

    class Meta:
        proxy = True
        default_permissions = ()
