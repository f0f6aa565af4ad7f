"""Logins of accounts on devices, and known places (IP addresses and browsers of earlier logins)."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from access.masks import WHOLE
from accounts.models.user import User

# Columns that an account may read of its own logins. The ids of refresh tokens can't be read.
SESSION_FIELDS = ("id", "user", "rotated_at", "created_at", "expires_at", "revoked_at", "user_agent", "address")


MAX_OPEN_LOGINS = 1_000  # open logins of one account; one more login ends the oldest
MAX_KNOWN_ADDRESSES = 100  # known IP addresses of one account; one more deletes the least recently used address


class TokenSessionQuerySet(models.QuerySet["TokenSession"]):
    def open(self) -> "TokenSessionQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=Now())

    def revoke(self) -> int:
        """Ends these logins. The API refuses their access and refresh tokens from the next request on."""
        return self.filter(revoked_at=None).update(revoked_at=Now())


class TokenSession(models.Model):
    """A login on one device, with the sequence of its refresh tokens (RFC 9700, section 4.14).

    The row contains the ids of refresh tokens, but no token.
    """

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_sessions")
    refresh_jti = models.UUIDField(help_text="Id of the one refresh token that may be exchanged.")
    previous_jti = models.UUIDField(null=True, help_text="Its predecessor: may be tried again for 30 seconds.")
    rotated_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    address = models.GenericIPAddressField(null=True, help_text="From which it was last refreshed.")

    objects = TokenSessionQuerySet.as_manager()

    personal_fields = {"address": WHOLE}

    class Meta:
        ordering = ["-created_at", "id"]
        # Index with which a login finds the account's oldest open logins, to end them if there are too many.
        indexes = [
            models.Index(fields=["user", "-created_at", "id"], name="login_open", condition=models.Q(revoked_at=None))
        ]


UNUSED_PLACES = timedelta(days=90)  # a known place is deleted after this time without use


class KnownPlace(models.Model):
    """Known place of an account: an IP address or a browser from which the account has logged in.

    `api.requests.client_address.place_of` returns IP addresses, `accounts.login.browsers` returns browsers. Failed
    logins at other places don't lock the account out at a known place.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_places")
    place = models.CharField(max_length=50)
    used_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-used_at"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="known_place_once", fields=["user", "place"])]


def note_place(user: User, place: str) -> None:
    """Inserts a known place (IP address or browser), or updates the time of its last use.

    Runs in PostgreSQL's login role (`eecrm_app`). A login over the API stores its place in the SQL statement of the
    login (`accounts.login.tokens`).
    """
    row = KnownPlace(user=user, place=place, used_at=Now())
    KnownPlace.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["user", "place"], update_fields=["used_at"]
    )
