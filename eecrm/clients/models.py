"""Clients: companies that order parties. A company starts as a prospect."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from access.masks import EMAIL, PHONE
from access.policy import Role
from access.querysets import PolicyQuerySet
from api.email_addresses import AddressField, address_checked
from api.phone_numbers import PhoneField
from api.resources.search import OrderKey, SearchableQuerySet
from api.text_fields import LineField, PersonNameField, names_checked, texts_checked


class ClientQuerySet(SearchableQuerySet, PolicyQuerySet["Client"]):  # type: ignore[override]  # the stubs' as_manager
    resource = "client"
    owners = {Role.SALES: "sales_contact", Role.EXTERNAL: "account"}


class Client(models.Model):
    """A company with its contact person. The company's sales contact also looks after its contracts and events."""

    class Status(models.TextChoices):
        PROSPECT = "prospect", "Prospect"
        CLIENT = "client", "Client"

    status = models.CharField(max_length=8, choices=Status, default=Status.PROSPECT, db_default=Status.PROSPECT)
    company_name = LineField(max_length=200)
    first_name = PersonNameField(max_length=150)
    last_name = PersonNameField(max_length=150)
    email = AddressField()
    phone = PhoneField(blank=True)
    mobile = PhoneField(blank=True)
    sales_contact = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="clients",
        db_index=False,
        limit_choices_to={"role": Role.SALES, "is_active": True, "is_superuser": False},
    )
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="linked_client",
        null=True,
        blank=True,
        limit_choices_to={"role": Role.EXTERNAL, "is_superuser": False},
        help_text="The external partner's account that may read this client, its contracts and its events.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.BigIntegerField(db_default=1, editable=False)
    # A trigger writes the words and the order keys. Words of weight B and C are personal data. Searches ignore these
    # words for roles that may not see personal data.
    search = SearchVectorField(editable=False)
    company_name_order = OrderKey("company_name")
    last_name_order = OrderKey("last_name")

    objects = ClientQuerySet.as_manager()

    personal_fields = {"email": EMAIL, "phone": PHONE, "mobile": PHONE}
    # These fields identify the contact person: a form that changes one of them must show the others, too.
    decided_together = (("first_name", "last_name", "email"),)
    report_fields = (
        "id", "status", "company_name", "first_name", "last_name", "email", "phone", "mobile", "sales_contact",
        "account", "created_at", "updated_at", "version",
    )  # fmt: skip

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex("search", name="client_search"),
            models.Index("updated_at", "id", name="client_updated_at"),
            models.Index("company_name_order", "id", name="client_company_name"),
            models.Index("last_name_order", "id", name="client_last_name"),
            models.Index("created_at", "id", name="client_created_at"),
            # The index contains the columns of the filters.
            # So PostgreSQL filters a list without reading other rows (ADR 16).
            models.Index("id", "created_at", "updated_at", "status", name="client_list"),
        ]
        constraints = [
            # A foreign key of contracts refers to these two columns: the client's id and the client's sales contact.
            # So a contract always has the sales contact of its client.
            models.UniqueConstraint(fields=["sales_contact", "id"], name="client_sales_contact"),
            models.UniqueConstraint(
                Lower("email"),
                name="client_email_unique",
                violation_error_message="A client with this email address exists already.",
            ),
            models.CheckConstraint(
                name="client_status_known",
                condition=Q(status__in=["prospect", "client"]),
                violation_error_message="A client is a prospect or a client.",
            ),
            models.CheckConstraint(
                name="client_names_filled",
                condition=Q(
                    company_name__regex=r"\S", first_name__regex=r"\S", last_name__regex=r"\S", email__regex=r"\S"
                ),
                violation_error_message="A client has a company name, a first name, a last name and an email address.",
            ),
            models.CheckConstraint(
                name="client_phones_e164",
                condition=Q(phone__regex=r"^(\+[1-9][0-9]{5,14})?$", mobile__regex=r"^(\+[1-9][0-9]{5,14})?$"),
                violation_error_message="A phone number is stored in E.164: + and at most 15 digits.",
            ),
            names_checked("client_names_plain", "first_name", "last_name"),
            texts_checked("client_texts_plain", "company_name"),
            address_checked("client_email_form", "email"),
        ]

    def __str__(self) -> str:
        return self.company_name
