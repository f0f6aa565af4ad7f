"""Models of accounts: users, their logins and second factors, mails and alerts."""

from accounts.models.address import AddressChange
from accounts.models.alert import Alert, Export
from accounts.models.cover import COVER_FIELDS, Cover
from accounts.models.identity import ExternalIdentity
from accounts.models.mail import LinkRequest, Mail
from accounts.models.second_factor import AuthenticatorApp, RecoveryCodes
from accounts.models.session import SESSION_FIELDS, KnownPlace, TokenSession, note_place
from accounts.models.user import PUBLIC_FIELDS, User, normalise_username

__all__ = [
    "COVER_FIELDS",
    "PUBLIC_FIELDS",
    "SESSION_FIELDS",
    "AddressChange",
    "Alert",
    "AuthenticatorApp",
    "Cover",
    "Export",
    "ExternalIdentity",
    "KnownPlace",
    "LinkRequest",
    "Mail",
    "RecoveryCodes",
    "TokenSession",
    "User",
    "normalise_username",
    "note_place",
]
