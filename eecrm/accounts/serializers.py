from rest_framework import serializers

from access.policy import Role, Scope
from accounts.models import User
from accounts.passwords.validators import require_hashable
from api.email_addresses import AddressSerializerField, require_address
from api.resources.serializers import ResourceSerializer, StrictSerializer

_PASSWORD = {"input_type": "password"}
_TOKEN_FIELD = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiI0In0.signature"


class LoginSerializer(StrictSerializer):
    """Username and password of a login."""

    username = serializers.CharField(max_length=150, help_text="Case makes no difference.")
    # The length is limited, because Argon2 would also hash a password of a megabyte, which no user types.
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style=_PASSWORD, validators=[require_hashable]
    )

    # The field is write-only, because the examples in the OpenAPI document leave out write-only fields.
    # So the example of a login has no code, as for an account without a second factor.
    otp = serializers.CharField(max_length=40, required=False, write_only=True)

    field_docs = {
        "username": ("Case makes no difference.", "oc-salesman"),
        "password": ("", "Epic-Events-2026!"),
        "otp": (
            "Six digits of the authenticator app, or a recovery code; read only where the account has a second factor.",
            "492039",
        ),
    }


class RefreshSerializer(StrictSerializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=4096)

    field_docs = {"refresh": ("As the last login or refresh gave it.", _TOKEN_FIELD)}


class TokenPairSerializer(serializers.Serializer):
    """The access token and the refresh token of one login."""

    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)

    field_docs = {
        "access": ("For `Authorization: Bearer …`, for 10 minutes.", _TOKEN_FIELD),
        "refresh": ("For `users/refresh/`, once, within 14 days.", _TOKEN_FIELD),
    }


class PasswordChangeSerializer(StrictSerializer):
    """The caller's present password, and the new password."""

    old_password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style=_PASSWORD, validators=[require_hashable]
    )
    new_password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style=_PASSWORD, validators=[require_hashable]
    )

    field_docs = {
        "old_password": ("", "Epic-Events-2026!"),
        "new_password": (
            "Long (12 characters or more), uncommon, and unlike the account.",
            "correct horse battery staple",
        ),
    }


class AddressRequestSerializer(StrictSerializer):
    """The new email address of the caller's account, and the present password."""

    email = AddressSerializerField(max_length=254, validators=[require_address])
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style=_PASSWORD, validators=[require_hashable]
    )

    field_docs = {"email": ("", "j.moreau@epic-events.example"), "password": ("", "Epic-Events-2026!")}


class PendingAddressSerializer(serializers.Serializer):
    """A new email address that waits to be confirmed."""

    email = serializers.EmailField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)

    field_docs = {
        "email": ("As it will be stored: its domain in ASCII (IDNA).", "j.moreau@epic-events.example"),
        "expires_at": ("Until when its link works.", "2027-03-08T09:30:00Z"),
    }


class TokenSessionSerializer(serializers.Serializer):
    """A login on one device. `is_current` is true for the login that sends the request."""

    id = serializers.UUIDField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(source="rotated_at", read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    user_agent = serializers.CharField(read_only=True)
    address = serializers.IPAddressField(read_only=True, allow_null=True)
    is_current = serializers.BooleanField(read_only=True)

    field_docs = {
        "user_agent": ("What the device called itself.", "EpicEvents/2.1 (Android 15)"),
        "address": ("From where it logged in: IPv4 or IPv6.", "192.0.2.17"),
    }


class ProfileSerializer(ResourceSerializer):
    """The caller's own account."""

    class Meta:
        model = User
        fields = ["id", "username", "first_name", "last_name", "email", "role", "is_superuser"]
        read_only_fields = ["username", "email", "role", "is_superuser"]
        field_docs = {
            "id": ("", 4),
            "username": ("", "oc-salesman"),
            "first_name": ("", "Julien"),
            "last_name": ("", "Moreau"),
            "email": ("Changed with `users/me/email/`.", "julien.moreau@epic-events.example"),
            "role": ("What decides, unless it is a superuser's account.", "sales"),
            "is_superuser": ("Whether the account may do everything.", False),
        }
        patch = {"last_name": "Moreau"}


class ContactSerializer(ResourceSerializer):
    """An active account that clients or events can be assigned to."""

    name = serializers.CharField(source="display_name", read_only=True)

    class Meta:
        model = User
        fields = ["id", "name"]
        field_docs = {"id": ("", 4), "name": ("", "Julien Moreau")}


class CoverSerializer(serializers.Serializer):
    """A leave cover in effect now, as one of its two colleagues sees it. `id` and `name` are the other colleague's."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
    until = serializers.DateTimeField(read_only=True)
    reason = serializers.CharField(read_only=True)

    field_docs = {"id": ("The colleague's key.", 5), "name": ("", "Nora Lindqvist"), "reason": ("", "Parental leave")}


class OwnPermissionsSerializer(serializers.Serializer):
    """The permissions of the caller's role in the policy table, and the leave covers in effect."""

    role = serializers.ChoiceField(choices=Role.choices, read_only=True)
    permissions = serializers.DictField(
        child=serializers.DictField(child=serializers.ChoiceField(choices=[scope.value for scope in Scope])),
        read_only=True,
    )
    covering = CoverSerializer(many=True, read_only=True)
    covered_by = CoverSerializer(many=True, read_only=True)

    field_docs = {
        "role": ("", "sales"),
        "permissions": (
            "For each resource and action none, own or all.",
            {"client": {"list": "all", "update": "all"}, "contract": {"list": "all", "update": "own"}},
        ),
        "covering": ("For whom the caller stands in now: their *own* is the caller's too.", []),
    }
