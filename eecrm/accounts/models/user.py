"""Accounts of users, with the attributes that the permission policy reads."""

from functools import cache, cached_property
from typing import Any, ClassVar

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import BaseUserManager
from django.contrib.auth.password_validation import validate_password
from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Concat, Lower, Now, NullIf, Trim, Upper

from access.compiled_queries import InstanceStatement, Slot
from access.database import acting_as, leave
from access.masks import EMAIL, PHONE
from access.policy import Caller, Role
from access.querysets import PolicyQuerySet
from access.security_log import security_event
from accounts.login.usernames import UsernameField, normalise_username, username_checked
from accounts.models.rights import Rights
from api.email_addresses import AddressField, address_checked
from api.phone_numbers import PhoneField
from api.text_fields import LineField, PersonNameField, names_checked, texts_checked

# Columns of all accounts that each database role may read.
PUBLIC_FIELDS = ("id", "username", "display_name", "role", "is_active", "is_superuser")


class UserQuerySet(PolicyQuerySet["User"]):
    resource = "user"

    def active(self) -> "UserQuerySet":
        return self.filter(is_active=True)

    def sales_contacts(self) -> "UserQuerySet":
        """Returns the accounts to which a client (customer) may be assigned (`access-matrix.md`, rule 7)."""
        return self.active().filter(role=Role.SALES, is_superuser=False).only(*PUBLIC_FIELDS)

    def support_contacts(self) -> "UserQuerySet":
        """Returns the accounts to which an event may be assigned (`access-matrix.md`, rules 4 and 7)."""
        return self.active().filter(role=Role.SUPPORT, is_superuser=False).only(*PUBLIC_FIELDS)

    def owned_by(self, user: Caller) -> "UserQuerySet":
        return self.filter(pk=user.pk or 0)

    def end_logins(self) -> int:
        """Ends every login of these accounts, to the API and to the admin site.

        Only PostgreSQL's login role (`eecrm_app`) may do this.
        """
        return self.update(logins_ended=F("logins_ended") + 1)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Deletes these accounts with one SQL statement.

        Django's own method would also delete the accounts' entries in the admin site's log.
        """
        count = self._raw_delete(self.db)
        return count, {User._meta.label: count}


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]  # base class made at run time
    """Manager that doesn't load the password's hash, because only PostgreSQL's login role (`eecrm_app`) may read it."""

    def get_queryset(self) -> UserQuerySet:
        return super().get_queryset().defer(*User.secret_fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username=normalise_username(username or ""))

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Saves and returns a new account. Without a password the account can't log in."""
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Saves and returns a new superuser.

        Runs in the PostgreSQL role `eecrm_superuser`. Every user with a shell on the server may use this role.
        """
        if password is not None:
            validate_password(password, self.model(username=username, is_superuser=True, **fields))
        with acting_as(Role.SUPERUSER):
            user = self.create_user(username, password, is_superuser=True, **fields)
        security_event("user_created", account=user.pk, role=user.effective_role, by="create_superuser")
        return user


class User(Rights):
    """An account. Its role decides its permissions by the policy table (`access.policy.TABLE`)."""

    username = UsernameField(
        max_length=150,
        db_index=True,
        help_text=(
            "At most 150 characters: letters, digits and . @ + - _ only, as anna.smith. Case makes no difference."
        ),
    )
    first_name = PersonNameField(max_length=150, blank=True)
    last_name = PersonNameField(max_length=150, blank=True)
    display_name = models.GeneratedField(
        expression=Coalesce(
            NullIf(Trim(Concat("first_name", Value(" "), "last_name", output_field=models.CharField())), Value("")),
            F("username"),
            output_field=models.CharField(),
        ),
        output_field=models.CharField(max_length=301),
        db_persist=True,
    )
    email = AddressField(blank=True)
    # Only triggers may write the next three columns (`accounts.models.address`).
    email_confirmed_at = models.DateTimeField("email confirmed", null=True, editable=False)
    deactivated_at = models.DateTimeField("deactivated", null=True, editable=False)
    is_claimed = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether its owner has ever had a password or an identity: from then on its address is theirs.",
    )
    job_title = LineField(max_length=150, blank=True)
    mobile = PhoneField(blank=True)
    role = models.CharField(
        max_length=10,
        choices=[(role.value, role.label) for role in Role if role is not Role.SUPERUSER],
        default=Role.EXTERNAL,
        db_default=Role.EXTERNAL,
    )
    is_active = models.BooleanField(
        "active",
        default=True,
        db_default=True,
        help_text="Take this away instead of deleting an account: it logs out everywhere at once.",
    )
    date_joined = models.DateTimeField(db_default=Now(), editable=False)
    # The trigger `account_counts_endings` raises this counter by one, no matter which number is written.
    logins_ended = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=(
            "How often all logins of the account were ended: a session of the site goes on with the number that it"
            " began with."
        ),
    )

    objects: ClassVar[UserManager] = UserManager()

    # Columns that only PostgreSQL's login role (`eecrm_app`) may read.
    secret_fields = ("password",)
    personal_fields = {"email": EMAIL, "mobile": PHONE}
    # The fields in `decided_together` decide which rights the account has and who gets its invitation.
    # A form that changes one field of `decided_together` must show the present values of the others.
    decided_together = (("role", "is_active", "is_superuser", "groups", "identity", "email"),)
    # A new email address of an account in use is stored in an `AddressChange` until somebody confirms the address.
    # Another new address would replace that row. So an admin form treats the row as a change of `email`.
    waiting_values = {"email": "address_change"}
    report_fields = (
        *PUBLIC_FIELDS,
        "first_name",
        "last_name",
        "email",
        "job_title",
        "mobile",
        "date_joined",
        "last_login",
    )

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        ordering = ["username"]
        base_manager_name = "objects"
        indexes = [
            # Index of active managers, for mails to all managers and for the check that one manager stays.
            models.Index(
                "id",
                name="user_managers",
                condition=Q(is_active=True) & (Q(role=Role.MANAGEMENT) | Q(is_superuser=True)),
            ),
            # Index for logins by email address, and for requests for links. Without it a login would read all accounts.
            models.Index(Upper("email"), name="user_confirmed_email", condition=Q(email_confirmed_at__isnull=False)),
        ]
        constraints = [
            # The condition is always true, but foreign keys can't refer to a constraint with a condition.
            # So PostgreSQL takes a weaker lock on the row of an account that gets a new username.
            # The new username then doesn't wait for inserts of rows that refer to the account, such as mails.
            # Without the condition, two managers who rename each other's accounts at the same moment would deadlock.
            models.UniqueConstraint(
                name="user_username_once",
                fields=["username"],
                condition=Q(username__isnull=False),
                violation_error_code="unique",
                violation_error_message="An account with this username exists already.",
            ),
            models.CheckConstraint(
                name="user_role_known",
                condition=Q(role__in=[role.value for role in Role if role is not Role.SUPERUSER]),
                violation_error_message="This role doesn't exist.",
            ),
            models.CheckConstraint(
                name="user_username_lowercase",
                condition=Q(username=Lower("username")),
                violation_error_message="A username is stored in lowercase.",
            ),
            models.CheckConstraint(
                name="user_mobile_e164",
                condition=Q(mobile__regex=r"^(\+[1-9][0-9]{5,14})?$"),
                violation_error_message="A phone number is stored in E.164: + and at most 15 digits.",
            ),
            username_checked("user_username_form"),
            names_checked("user_names_plain", "first_name", "last_name"),
            texts_checked("user_job_title_plain", "job_title"),
            address_checked("user_email_form", "email", may_be_empty=True),
        ]

    def __str__(self) -> str:
        return self.username

    @classmethod
    def normalize_username(cls, username: str) -> str:
        return normalise_username(username)

    @cached_property
    def second_factor(self) -> Any:
        """The account's authenticator app, or None.

        Only PostgreSQL's login role (`eecrm_app`) may read the app. So read it before SET ROLE switches to the
        caller's role.
        """
        return _second_factor_query().first({"user": self.pk})

    def check_password(self, raw_password: str | None) -> bool:
        """Checks the password, and hashes it again if the hasher has become stronger.

        The new hash isn't stored if another request has changed the password meanwhile.
        """

        def strengthen(password: str) -> None:
            weak, self.password = self.password, make_password(password)
            with transaction.atomic():
                leave(user_id=self.pk)
                # The update fires a trigger that ends the existing logins and increments `logins_ended`.
                # `logins_ended` is incremented here too, because a login with an older number would be refused.
                self.logins_ended += type(self).objects.filter(pk=self.pk, password=weak).update(password=self.password)

        return check_password(raw_password, self.password, strengthen)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves an existing account, but only its editable columns.

        No database role may write the other columns (`access.grants`).
        """
        if not self._state.adding and not args and kwargs.get("update_fields") is None:
            loaded = {field.name for field in self._meta.concrete_fields if field.editable and not field.primary_key}
            kwargs["update_fields"] = loaded - self.get_deferred_fields()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Deletes the account.

        Raises IntegrityError if a row that must stay refers to the account, such as a client or an entry in the
        admin site's log.
        """
        return type(self).objects.filter(pk=self.pk).delete()


@cache
def _second_factor_query() -> InstanceStatement:
    from accounts.models.second_factor import AuthenticatorApp  # imported here, because that module imports this one

    return InstanceStatement.of(AuthenticatorApp.objects.filter(user=Slot("user"), confirmed=True).order_by("pk")[:1])
