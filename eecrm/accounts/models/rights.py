"""Django's permission methods of an account, such as `has_perm`. The policy table gives their answers."""

from datetime import datetime
from functools import cache, cached_property
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, Permission, PermissionsMixin

from access.codenames import permission_cells
from access.policy import NONE, Role, rule, scope_of


@cache
def _effective_role(is_superuser: bool, role: str) -> Role:
    """Returns the role that the policy uses: superuser, or else the stored role `role`.

    This function caches its results. The account itself keeps no copy of the result, because a copy would be wrong
    after a change of the account's role.
    """
    return Role.SUPERUSER if is_superuser else Role(role)


class Rights(AbstractBaseUser, PermissionsMixin):
    """Abstract model of accounts with role, groups, leave cover and `has_perm`.

    No account has permissions of its own: its role and its groups decide.
    """

    role: Any  # a field of User
    covers: Any  # reverse relation of Cover.substitute

    class Meta:
        abstract = True

    @property
    def effective_role(self) -> Role:
        """The role that the policy uses: superuser, or else the stored role."""
        return _effective_role(self.is_superuser, self.role)

    @property
    def is_staff(self) -> bool:
        """True if the account's role may open the admin site. The value follows from the role and isn't stored."""
        return scope_of("admin_site", "retrieve", self.effective_role) is not NONE

    @cached_property
    def group_names(self) -> frozenset[str]:
        """Names of the account's groups. For an API request, the authentication has read them already."""
        return frozenset(self.groups.values_list("name", flat=True))

    @cached_property
    def covered_ids(self) -> tuple[int, ...]:
        """Primary keys of the colleagues for whom this account stands in now (leave cover)."""
        return tuple(self.covers.current().values_list("colleague_id", flat=True))

    @cached_property
    def covering(self) -> tuple[tuple[str, datetime], ...]:
        """The name of each colleague in `covered_ids`, with the end of the leave cover.

        Makes no query if `covered_ids` is empty.
        """
        if not self.covered_ids:
            return ()
        rows = self.covers.current().order_by("ends_at", "id")
        return tuple(rows.values_list("colleague__display_name", "ends_at"))

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """True if the account has a permission such as `clients.assign_client`.

        The policy table decides the permissions that it lists; the groups decide all others.
        """
        if not self.is_active:
            return False
        if (cell := permission_cells().get(perm)) is not None:
            return rule(self, *cell).scope is not NONE
        return perm in self._permissions_of_groups

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        """Returns the names of all permissions for which `has_perm` returns True."""
        return {name for name in {*permission_cells(), *self._permissions_of_groups} if self.has_perm(name)}

    def get_group_permissions(self, obj: Any = None) -> set[str]:
        return self.get_all_permissions()

    def get_user_permissions(self, obj: Any = None) -> set[str]:
        return set()

    @cached_property
    def _permissions_of_groups(self) -> frozenset[str]:
        """Permissions of the account's groups, looked up by the names of the groups.

        Every database role may read the permissions of groups, but not every role may read the members of groups.
        """
        if not self.group_names:
            return frozenset()
        rows = Permission.objects.filter(group__name__in=self.group_names)
        names = rows.values_list("content_type__app_label", "codename")
        return frozenset(f"{app_label}.{codename}" for app_label, codename in names)
