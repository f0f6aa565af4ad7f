"""Events: the parties under signed contracts, carried out by support users."""

from datetime import UTC, datetime

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.db.models.functions import Now

from access.handed_down import HandedDownKey
from access.policy import Role
from access.querysets import PolicyQuerySet
from api.resources.search import OrderKey, SearchableQuerySet
from api.text_fields import FreeTextField, LineField, texts_checked
from contracts.models import Contract

EARLIEST_START, LATEST_START = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
MAX_ATTENDEES = 1_000_000
UNASSIGNED = Q(support_contact=None)
_WITHIN_REASON = [
    MinValueValidator(EARLIEST_START, "An event takes place between 2000 and 2099."),
    MaxValueValidator(datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC), "An event takes place between 2000 and 2099."),
]


class EventQuerySet(SearchableQuerySet, PolicyQuerySet["Event"]):  # type: ignore[override]  # the stubs' as_manager
    resource = "event"
    owners = {
        Role.SALES: "sales_contact",
        Role.SUPPORT: "support_contact",
        Role.EXTERNAL: "contract__client__account",
    }

    def unassigned(self) -> "EventQuerySet":
        return self.filter(UNASSIGNED)


class Event(models.Model):
    """A party under a signed contract: created, in progress, then closed. Only management may reopen a closed event."""

    class Status(models.TextChoices):
        CREATED = "created", "Created"
        IN_PROGRESS = "in_progress", "In progress"
        CLOSED = "closed", "Closed"

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="events", db_index=False)
    # This column is a copy of the contract's sales contact. PostgreSQL keeps both equal (docs/adr/0016).
    sales_contact = HandedDownKey(settings.AUTH_USER_MODEL)
    support_contact = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="events",
        db_index=False,
        null=True,
        blank=True,
        limit_choices_to={"role": Role.SUPPORT, "is_active": True, "is_superuser": False},
    )
    name = LineField(max_length=200)
    status = models.CharField(max_length=11, choices=Status, default=Status.CREATED, db_default=Status.CREATED)
    attendees = models.PositiveIntegerField(validators=[MaxValueValidator(MAX_ATTENDEES)])
    starts_at = models.DateTimeField(validators=_WITHIN_REASON)
    ends_at = models.DateTimeField(null=True, blank=True, validators=_WITHIN_REASON)
    location = LineField(max_length=200, blank=True)
    notes = FreeTextField(max_length=10_000, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.BigIntegerField(db_default=1, editable=False)
    # Triggers write the search words of the event, its contract and its client to this column.
    search = SearchVectorField(editable=False)
    name_order = OrderKey("name")

    objects = EventQuerySet.as_manager()

    # Closing an event freezes these fields, so a user who changes the status must have seen them.
    # A user who changes one of these fields must have seen the current status.
    decided_together = (
        ("starts_at", "ends_at"),
        *(
            ("status", name)
            for name in ("support_contact", "name", "attendees", "starts_at", "ends_at", "location", "notes")
        ),
    )
    report_fields = (
        "id", "contract", "sales_contact", "support_contact", "name", "status", "attendees", "starts_at", "ends_at",
        "location", "created_at", "updated_at", "version",
    )  # fmt: skip

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex("search", name="event_search"),
            models.Index("updated_at", "id", name="event_updated_at"),
            models.Index("starts_at", "id", name="event_starts_at"),
            models.Index("contract", "id", name="event_contract"),
            models.Index("support_contact", "id", name="event_support_contact"),
            models.Index("id", name="event_unassigned", condition=UNASSIGNED),
            models.Index("sales_contact", "id", name="event_sales_contact"),
            models.Index("created_at", "id", name="event_created_at"),
            models.Index("name_order", "id", name="event_name"),
            models.Index("attendees", "id", name="event_attendees"),
            # The index contains the columns of the filters.
            # So PostgreSQL filters a list without reading other rows (ADR 16).
            models.Index(
                F("id"),
                F("created_at"),
                F("updated_at"),
                F("starts_at"),
                F("status"),
                # The list of closed events and events in progress finds its rows by this column (`ChoicesFilter`).
                ExpressionWrapper(~Q(status="created"), output_field=models.BooleanField()),
                name="event_list",
            ),  # fmt: skip
        ]
        constraints = [
            models.CheckConstraint(
                name="event_status_known",
                condition=Q(status__in=["created", "in_progress", "closed"]),
                violation_error_message="An event is created, in progress or closed.",
            ),
            models.CheckConstraint(
                name="event_name_filled",
                condition=Q(name__regex=r"\S"),
                violation_error_message="An event has a name.",
            ),
            texts_checked("event_texts_plain", "name", "location", free_text="notes"),
            models.CheckConstraint(
                name="event_attendees_bounded",
                condition=Q(attendees__lte=MAX_ATTENDEES),
                violation_error_message="An event has at most 1,000,000 attendees.",
            ),
            models.CheckConstraint(
                name="event_dates_bounded",
                condition=Q(starts_at__gte=EARLIEST_START, starts_at__lt=LATEST_START)
                & (Q(ends_at__isnull=True) | Q(ends_at__gte=EARLIEST_START, ends_at__lt=LATEST_START)),
                violation_error_message="An event takes place between 2000 and 2099.",
            ),
            models.CheckConstraint(
                name="event_ends_after_start",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at")),
                violation_error_message="An event ends after it starts.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
