"""Admin pages of groups. Groups that the code creates are read-only.

Groups that a manager creates can be renamed. Both kinds of groups can have members.
"""

from typing import Any

import django.contrib.auth.admin  # noqa: F401  # this import registers Group, and `unregister` below removes it
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest

from access.admin import PolicyModelAdmin
from access.codenames import ROLE_GROUPS, role_group
from access.group_sync import is_managed
from access.policy import MATRIX_ROLES
from access.security_log import security_event
from accounts.models import PUBLIC_FIELDS, User
from api.spelling import has_invisible, normalise_title
from api.text_fields import NAME_INVISIBLE
from audit.admin.entries import TrailHistory

MAX_MEMBERS = 200  # number of members that the page of a group lists


def joinable() -> QuerySet[Group]:
    """Returns the groups to which a manager can add accounts.

    The groups of roles aren't among them, because an account belongs to its role's group without being added.
    """
    return Group.objects.exclude(name__in=ROLE_GROUPS).order_by("name")


class MembershipField(forms.ModelMultipleChoiceField):
    """Form field with one checkbox for each group that a manager can add the account to."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self) -> None:
        super().__init__(queryset=joinable(), required=False, help_text="What its role gives needs no group.")


class GroupNameField(forms.CharField):
    """Form field for a group's name. The field normalises the name as the trigger `group_name_rules` requires."""

    def to_python(self, value: Any) -> str:
        return normalise_title(super().to_python(value) or "")

    def validate(self, value: str) -> None:
        super().validate(value)
        if has_invisible(value):
            raise ValidationError(NAME_INVISIBLE, code="invisible_characters")


class GroupForm(forms.ModelForm):
    name = GroupNameField(max_length=150)

    class Meta:
        model = Group
        fields = ["name"]


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(TrailHistory):
    """Admin pages of groups.

    A group that a manager creates has only a name and members, because only the code gives permissions to groups.
    """

    resource = "group"
    form = GroupForm
    list_display = ["name", "is_managed", "member_count"]
    search_fields = ["name"]
    ordering = ["name"]
    fields = ["name", "permission_names", "members"]
    readonly_fields = ["permission_names", "members"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Returns all groups, because a group has no owner: a user who may see groups may see each of them."""
        rows = super(PolicyModelAdmin, self).get_queryset(request)
        return rows.annotate(managed=Exists(is_managed(Group.objects.filter(pk=OuterRef("pk")))))

    def _may_touch(self, row: Model | None) -> bool:
        return row is None or not is_managed(Group.objects.filter(pk=row.pk)).exists()

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(obj)

    def state_of(self, row: Any) -> str:
        """Returns a text that contains the group's name and members.

        The group is deleted only if this text is still the same as on the confirmation page. The text contains the
        members, because the deletion of a group also deletes its memberships.
        """
        return f"{row.name} {sorted(User.objects.filter(groups=row).values_list('pk', flat=True))}"

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.delete_queryset(request, Group.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Deletes the groups with one SQL statement. Foreign keys delete the memberships.

        Django's own deletion isn't used: it also deletes rows of `auth_group_permissions`, where the database roles
        of the admin site may delete nothing.
        """
        members = {group.pk: self._accounts(group).count() for group in queryset}
        rows = Group.objects.filter(pk__in=list(members))
        rows._raw_delete(rows.db)
        for key, count in members.items():
            security_event("privilege_permissions_changed", request, group=key, change="deleted", members=count)

    @admin.display(boolean=True, description="made by the code", ordering="managed")
    def is_managed(self, group: Any) -> bool:
        return bool(group.managed)

    @admin.display(description="members")
    def member_count(self, group: Group) -> int:
        return self._accounts(group).count()

    @admin.display(description="permissions")
    def permission_names(self, group: Group) -> str:
        rows = group.permissions.values_list("content_type__app_label", "codename")
        return ", ".join(sorted(f"{app_label}.{codename}" for app_label, codename in rows)) or "none"

    @admin.display(description="members")
    def members(self, group: Group) -> str:
        people = list(self._accounts(group).order_by("username")[: MAX_MEMBERS + 1])
        named = ", ".join(f"{person.display_name} ({person.username})" for person in people[:MAX_MEMBERS])
        return f"{named}, and more" if len(people) > MAX_MEMBERS else named or "nobody"

    def _accounts(self, group: Group) -> QuerySet[User]:
        accounts: QuerySet[User] = User.objects.only(*PUBLIC_FIELDS)
        if group.name in ROLE_GROUPS:
            roles = [role for role in MATRIX_ROLES if role_group(role) == group.name]
            return accounts.filter(role__in=roles, is_superuser=False)
        return accounts.filter(groups=group)
