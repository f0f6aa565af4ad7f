"""What an account may do, as Django asks it: the answers are the policy table's."""

from datetime import datetime
from functools import cache, cached_property
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, Permission, PermissionsMixin

from access.codenames import permission_cells
from access.policy import NONE, Role, rule, scope_of


@cache
def _effective_role(is_superuser: bool, role: str) -> Role:
    """Computed once for all accounts that have this in common: kept on an account it would outlive a change of it."""
    return Role.SUPERUSER if is_superuser else Role(role)


class Rights(AbstractBaseUser, PermissionsMixin):
    """Role, groups, cover, and `has_perm`. Nobody has permissions of their own: the role and the groups decide."""

    role: Any  # a field of User
    covers: Any  # the way back from Cover.substitute

    class Meta:
        abstract = True

    @property
    def effective_role(self) -> Role:
        """The role that the policy sees."""
        return _effective_role(self.is_superuser, self.role)

    @property
    def is_staff(self) -> bool:
        """Whether the admin site opens: it follows from the role and is never set by hand."""
        return scope_of("admin_site", "retrieve", self.effective_role) is not NONE

    @cached_property
    def group_names(self) -> frozenset[str]:
        """The names of the account's groups; a request has them from the statement that authenticates it."""
        return frozenset(self.groups.values_list("name", flat=True))

    @cached_property
    def covered_ids(self) -> tuple[int, ...]:
        """The colleagues whose *own* is lent to this account at the moment (leave cover)."""
        return tuple(self.covers.current().values_list("colleague_id", flat=True))

    @cached_property
    def covering(self) -> tuple[tuple[str, datetime], ...]:
        """The same colleagues by name, and until when: the account that covers for nobody asks no database."""
        if not self.covered_ids:
            return ()
        rows = self.covers.current().order_by("ends_at", "id")
        return tuple(rows.values_list("colleague__display_name", "ends_at"))

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """`clients.assign_client`: what the table lists is decided by the table, anything else by the groups."""
        if not self.is_active:
            return False
        if (cell := permission_cells().get(perm)) is not None:
            return rule(self, *cell).scope is not NONE
        return perm in self._of_groups

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        """Every permission to which `has_perm` says yes."""
        return {name for name in {*permission_cells(), *self._of_groups} if self.has_perm(name)}

    def get_group_permissions(self, obj: Any = None) -> set[str]:
        return self.get_all_permissions()

    def get_user_permissions(self, obj: Any = None) -> set[str]:
        return set()

    @cached_property
    def _of_groups(self) -> frozenset[str]:
        """What the groups were given, looked up by their names: any role may read that, but not who else is in them."""
        if not self.group_names:
            return frozenset()
        rows = Permission.objects.filter(group__name__in=self.group_names)
        names = rows.values_list("content_type__app_label", "codename")
        return frozenset(f"{app_label}.{codename}" for app_label, codename in names)
