"""Contracts: the orders of clients, with the amount and the day on which the payment is due."""

from datetime import UTC, date
from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, TruncDate

from access.handed_down import HandedDownKey
from access.policy import Role
from access.querysets import PolicyQuerySet
from api.resources.search import OrderKey, SearchableQuerySet
from api.text_fields import LineField, texts_checked
from clients.models import Client

EARLIEST_PAYMENT_DUE, LATEST_PAYMENT_DUE = date(2000, 1, 1), date(2100, 1, 1)
# Condition for contracts with a payment that was due before today's date in UTC.
OVERDUE = Q(payment_due__lt=TruncDate(Now(), tzinfo=UTC))
MIN_AMOUNT, MAX_AMOUNT = Decimal("0.01"), Decimal("9999999999.99")


class ContractQuerySet(SearchableQuerySet, PolicyQuerySet["Contract"]):  # type: ignore[override]  # stubs' as_manager
    resource = "contract"
    owners = {Role.SALES: "sales_contact", Role.EXTERNAL: "client__account"}
    handed_down = {"client__sales_contact": "sales_contact"}

    def signed(self) -> "ContractQuerySet":
        return self.filter(status=Contract.Status.SIGNED)

    def overdue(self) -> "ContractQuerySet":
        """Returns contracts with a payment that was due before today (UTC), drafts included."""
        return self.filter(OVERDUE)


class Contract(models.Model):
    """An order of one client. It starts as a draft; the signature freezes its amount."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        SIGNED = "signed", "Signed"

    class Currency(models.TextChoices):
        EUR = "EUR", "Euro"

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="contracts", db_index=False)
    # This column is a copy of the client's sales contact. PostgreSQL keeps both equal (docs/adr/0016).
    sales_contact = HandedDownKey(settings.AUTH_USER_MODEL)
    name = LineField(max_length=200)
    status = models.CharField(max_length=6, choices=Status, default=Status.DRAFT, db_default=Status.DRAFT)
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        validators=[
            MinValueValidator(MIN_AMOUNT, "The amount of a contract is positive."),
            MaxValueValidator(MAX_AMOUNT),
        ],
    )
    currency = models.CharField(max_length=3, choices=Currency, default=Currency.EUR, db_default=Currency.EUR)
    payment_due = models.DateField(
        validators=[
            MinValueValidator(EARLIEST_PAYMENT_DUE, "A payment is due between 2000 and 2099."),
            MaxValueValidator(date(2099, 12, 31), "A payment is due between 2000 and 2099."),
        ],
    )
    signed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.BigIntegerField(db_default=1, editable=False)
    # Triggers write the search words of the contract and its client here, with the weights of `Client.search`.
    search = SearchVectorField(editable=False)
    name_order = OrderKey("name")

    objects = ContractQuerySet.as_manager()

    # A signature (change of the status) confirms all of these fields.
    # So a user who changes one of these fields must have seen the current values of all of them.
    decided_together = (("status", "name", "amount", "currency", "payment_due"),)
    report_fields = (
        "id", "client", "sales_contact", "name", "status", "amount", "currency", "payment_due", "signed_at",
        "created_at", "updated_at", "version",
    )  # fmt: skip

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex("search", name="contract_search"),
            models.Index("updated_at", "id", name="contract_updated_at"),
            models.Index("payment_due", "id", name="contract_payment_due"),
            models.Index("client", "id", name="contract_client"),
            models.Index("created_at", "id", name="contract_created_at"),
            models.Index("name_order", "id", name="contract_name"),
            models.Index("amount", "id", name="contract_amount"),
            # The index contains the columns of the filters.
            # So PostgreSQL filters a list without reading other rows (ADR 16).
            models.Index("id", "created_at", "updated_at", "payment_due", "amount", "status", name="contract_list"),
        ]
        constraints = [
            # A foreign key of events refers to these two columns: the contract's id and the contract's sales contact.
            # So an event always has the sales contact of its contract.
            models.UniqueConstraint(fields=["sales_contact", "id"], name="contract_sales_contact"),
            models.CheckConstraint(
                name="contract_status_known",
                condition=Q(status__in=["draft", "signed"]),
                violation_error_message="A contract is a draft or signed.",
            ),
            models.CheckConstraint(
                name="contract_name_filled",
                condition=Q(name__regex=r"\S"),
                violation_error_message="A contract has a name.",
            ),
            texts_checked("contract_name_plain", "name"),
            # NaN is greater than every number in PostgreSQL, so only an upper bound excludes NaN.
            models.CheckConstraint(
                name="contract_amount_positive",
                condition=Q(amount__gte=MIN_AMOUNT, amount__lte=MAX_AMOUNT),
                violation_error_message="The amount of a contract is positive.",
            ),
            models.CheckConstraint(
                name="contract_currency_known",
                condition=Q(currency="EUR"),
                violation_error_message="Contracts are in euros.",
            ),
            models.CheckConstraint(
                name="contract_payment_due_bounded",
                condition=Q(payment_due__gte=EARLIEST_PAYMENT_DUE, payment_due__lt=LATEST_PAYMENT_DUE),
                violation_error_message="A payment is due between 2000 and 2099.",
            ),
            models.CheckConstraint(
                name="contract_signed_at_when_signed",
                condition=Q(status="signed", signed_at__isnull=False) | Q(status="draft", signed_at__isnull=True),
                violation_error_message="A contract has a time of signature once it is signed, and only then.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
