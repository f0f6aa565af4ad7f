"""Admin pages of accounts, for managers (rules: `access-matrix.md`, Account rules)."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import PROTECT, Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.text import capfirst
from django_otp.plugins.otp_static.admin import StaticDevice
from django_otp.plugins.otp_totp.admin import TOTPDevice

from access.admin import OfferedFilters
from access.policy import Scope
from access.request_rules import rule_for
from access.security_log import security_event
from accounts.admin.addresses import AddressPages, AddressStateFilter
from accounts.admin.groups import MembershipField
from accounts.admin.identities import IdentityInline
from accounts.admin.mails import INVITATIONS, InvitationFilter, SendsLinks, last_login_or_invitation
from accounts.admin_login.reset import reset_second_factor
from accounts.importing.admin_pages import CSVPages
from accounts.models import ExternalIdentity, Mail, User
from accounts.passwords.links import link_queued
from audit.admin.entries import TrailHistory
from audit.admin.reasons import ReasonAdmin, ReasonForm

# The admin pages of django_otp are removed, because no page may show the secret of a second factor.
admin.site.unregister([TOTPDevice, StaticDevice])

# Fields that decide the rights of an account. A change is logged as the event `privilege_permissions_changed`.
_RIGHTS = frozenset({"role", "is_active", "is_superuser"})


class NewAccountForm(ReasonForm):
    """Form for a new account. The form has no password, because a mail invites the owner to choose one."""

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "job_title", "mobile", "role"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        help_text = "Where the invitation goes, with a link to choose a password. It works for 7 days."
        self.fields["email"].help_text = help_text


class AccountForm(ReasonForm):
    groups = MembershipField()

    class Meta:
        model = User
        fields = [
            "username", "first_name", "last_name", "email", "job_title", "mobile", "role", "is_active", "is_superuser",
            "groups",
        ]  # fmt: skip


@admin.register(User)
class AccountAdmin(TrailHistory, CSVPages, AddressPages, SendsLinks, ReasonAdmin, DjangoUserAdmin):
    resource = "user"
    form = AccountForm
    add_form = NewAccountForm
    add_form_template = None  # Django's own template would ask for a password
    change_form_template = "admin/accounts/user/change_form.html"
    change_list_template = "admin/accounts/user/change_list.html"
    prefetched = (INVITATIONS,)
    list_display = ["username", "display_name", "email", "role", "is_active", last_login_or_invitation]
    # The filter of the account list offers only groups with stored members.
    # The group of a role has no stored members, because an account belongs to it through its role.
    list_filter = [
        "role",
        "is_active",
        "is_superuser",
        AddressStateFilter,
        InvitationFilter,
        ("groups", admin.RelatedOnlyFieldListFilter),
    ]
    search_fields = ["username", "first_name", "last_name", "email"]
    ordering = ["username"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "role", "is_active", "is_superuser", "groups"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "address_state", "job_title", "mobile"]}),
        ("Record", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "role"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "job_title", "mobile"]}),
    ]
    readonly_fields = ["address_state", "last_login", "date_joined"]
    actions = [*SendsLinks.actions, reset_second_factor]

    def _promotes(self, request: HttpRequest) -> bool:
        return rule_for(request, "user", "promote").scope is not Scope.NONE

    def get_urls(self) -> list[URLPattern]:
        """Returns Django's admin pages without the page on which a user sets another user's password."""
        return [page for page in super().get_urls() if page.name != "auth_user_password_change"]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        event = "user_updated" if change else "user_created"
        if change and not _RIGHTS.isdisjoint(form.changed_data):
            event = "privilege_permissions_changed"
        security_event(
            event,
            request,
            account=obj.pk,
            fields=form.changed_data if change else None,
            role=obj.effective_role,
            is_active=obj.is_active,
        )
        if not change:
            Mail.objects.create(kind=Mail.Kind.INVITATION, user=obj)
            link_queued(obj.pk, Mail.Kind.INVITATION, request)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        key = obj.pk
        super().delete_model(request, obj)
        security_event("user_deleted", request, account=key)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        keys = list(queryset.values_list("pk", flat=True))
        super().delete_queryset(request, queryset)
        for key in keys:
            security_event("user_deleted", request, account=key)

    def state_of(self, row: Any) -> str:
        return f"{super().state_of(row)} {sorted(row.groups.values_list('pk', flat=True))}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Returns the names of the fields that the user may not change.

        Only superusers may change the superuser status. On their own account, users can't change the role,
        superuser status, activity or groups. Users change their own email address on a separate page, because that
        page asks for the password.
        """
        fields = list(self.readonly_fields)
        if not self._promotes(request):
            fields.append("is_superuser")
        if obj is not None and obj.pk == request.user.pk:
            fields += ["email", "role", "is_active", "is_superuser", "groups"]
        return fields

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Adds `is_contact` to the template's context.

        The value is True if the account has clients or events that can be handed over to a colleague.
        """
        account = context["original"]
        is_contact = account is not None and (account.clients.exists() or account.events.exists())
        return super().render_change_form(request, {**context, "is_contact": is_contact}, *args, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Returns the form that binds the account to an identity (account at the OpenID Connect provider).

        Returns no form for a new account, or if no provider is configured.
        """
        return [IdentityInline] if obj is not None and settings.OIDC_ISSUER else []

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        is_self = obj is not None and obj.pk == request.user.pk
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj) and not is_self

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        bound = [formset for formset in formsets if formset.model is ExternalIdentity]
        if any(formset.new_objects or formset.deleted_objects for formset in bound):
            security_event("user_updated", request, account=form.instance.pk, fields=["identity"])
        if "groups" in form.changed_data:
            names = sorted(group.name for group in form.cleaned_data["groups"])
            security_event("privilege_permissions_changed", request, account=form.instance.pk, groups=names)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Returns the contents of the page that confirms the deletion of accounts.

        The page lists the rows that prevent the deletion. Django's own method isn't used. It would list the accounts'
        log entries among the rows to delete, and it would read password hashes.
        """
        users, label = list(objs), str(User._meta.verbose_name)
        keeping = [
            relation
            for relation in User._meta.related_objects
            if relation.on_delete is PROTECT or relation.related_model is LogEntry
        ]
        protected = [
            f"{capfirst(str(row._meta.verbose_name))}: {row}"
            for relation in keeping
            for row in relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": users})[:20]
        ]
        forbidden = any(not self.has_delete_permission(request, user) for user in users)
        return [str(user) for user in users], {label: len(users)}, {label} if forbidden else set(), protected

    def _may_touch(self, request: HttpRequest, obj: Model | None) -> bool:
        return not getattr(obj, "is_superuser", False) or self._promotes(request)


@admin.register(LogEntry)
class LogEntryAdmin(OfferedFilters, admin.ModelAdmin):
    """Read-only admin pages of Django's log of actions, for roles that the policy allows to read the log."""

    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag", "change_message"]
    list_filter = ["action_time", "content_type", "action_flag"]
    search_fields = ["object_repr", "user__username"]
    date_hierarchy = "action_time"
    list_select_related = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        return super().get_queryset(request).prefetch_related("user", "content_type")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return rule_for(request, "log_entry", "retrieve").scope is not Scope.NONE

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
