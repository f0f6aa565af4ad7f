from rest_framework import serializers

from accounts.models import User
from accounts.passwords import require_hashable
from api.serializers import ResourceSerializer, StrictSerializer


class LoginSerializer(StrictSerializer):
    username = serializers.CharField(max_length=150)
    # Argon2 would hash a megabyte just as well; nobody types one.
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style={"input_type": "password"}, validators=[require_hashable]
    )


class RefreshSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096)


class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)


class PasswordChangeSerializer(StrictSerializer):
    old_password = serializers.CharField(max_length=1024, trim_whitespace=False, validators=[require_hashable])
    new_password = serializers.CharField(max_length=1024, trim_whitespace=False, validators=[require_hashable])


class TokenSessionSerializer(serializers.Serializer):
    """A login on one device. `is_current` is the one that asks."""

    id = serializers.UUIDField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(source="rotated_at", read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    user_agent = serializers.CharField(read_only=True)
    address = serializers.IPAddressField(read_only=True, allow_null=True)
    is_current = serializers.BooleanField(read_only=True)


class ProfileSerializer(ResourceSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "first_name", "last_name", "email", "role", "is_superuser"]
        read_only_fields = ["username", "role", "is_superuser"]


class ContactSerializer(ResourceSerializer):
    name = serializers.CharField(source="display_name", read_only=True)

    class Meta:
        model = User
        fields = ["id", "name"]


class CoverSerializer(serializers.Serializer):
    """Leave cover that is in effect, with the other one of the two."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
    until = serializers.DateTimeField(read_only=True)
    reason = serializers.CharField(read_only=True)


class PermissionsSerializer(serializers.Serializer):
    role = serializers.CharField(read_only=True)
    permissions = serializers.DictField(child=serializers.DictField(child=serializers.CharField()), read_only=True)
    covering = CoverSerializer(many=True, read_only=True)
    covered_by = CoverSerializer(many=True, read_only=True)
