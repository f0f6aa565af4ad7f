"""Leave cover: a colleague stands in for a user on leave, and counts as owner of the user's rows meanwhile."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from access.policy import contact_roles
from access.querysets import PolicyQuerySet
from accounts.models.user import User
from api.text_fields import LineField, texts_checked

MAX_COVER_DURATION = timedelta(days=180)

# Columns of Cover that every database role may read, for covers in which the caller takes part.
COVER_FIELDS = ("id", "colleague", "substitute", "starts_at", "ends_at", "reason")


class CoverQuerySet(PolicyQuerySet["Cover"]):
    resource = "cover"

    def current(self) -> "CoverQuerySet":
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now())

    def naming(self, party: str) -> list[dict[str, Any]]:
        """Returns a list of `{id, name, until, reason}`, one for each cover.

        `party` is `colleague` or `substitute`. `id` and `name` are those of the cover's colleague, or of its
        substitute.
        """
        rows = self.order_by("ends_at", "id").values_list(f"{party}_id", f"{party}__display_name", "ends_at", "reason")
        return [dict(zip(("id", "name", "until", "reason"), row, strict=True)) for row in rows]

    def end(self) -> int:
        """Ends these covers now. A cover that hasn't begun never takes effect. A cover that is over isn't changed."""
        return self.filter(ends_at__gt=Now()).update(ends_at=Now())


class Cover(models.Model):
    """A leave cover: from `starts_at` to `ends_at`, `substitute` also counts as owner of the rows of `colleague`.

    A cover is never changed, only ended early, even before its start. A trigger ends a cover immediately if one of
    the two accounts gets another role or is deactivated.
    """

    colleague = models.ForeignKey(User, on_delete=models.PROTECT, related_name="covered_by")
    substitute = models.ForeignKey(User, on_delete=models.PROTECT, related_name="covers")
    starts_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField()
    reason = LineField(max_length=300)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = CoverQuerySet.as_manager()

    report_fields = ("id", "colleague", "substitute", "starts_at", "ends_at", "granted_by", "created_at")

    class Meta:
        ordering = ["-ends_at", "-id"]
        constraints = [
            # Equal times are allowed, because a cover that is ended before its start gets the start as its end.
            models.CheckConstraint(
                name="cover_ends_after_start",
                condition=Q(ends_at__gte=F("starts_at")),
                violation_error_message="A cover ends after it starts.",
            ),
            models.CheckConstraint(
                name="cover_at_most_180_days",
                condition=Q(ends_at__lte=F("starts_at") + MAX_COVER_DURATION),
                violation_error_message="A cover lasts at most 180 days.",
            ),
            models.CheckConstraint(
                name="cover_by_somebody_else",
                condition=~Q(colleague=F("substitute")),
                violation_error_message="Nobody covers for themselves.",
            ),
            models.CheckConstraint(
                name="cover_has_a_reason",
                condition=Q(reason__regex=r"\S"),
                violation_error_message="A cover has a reason.",
            ),
            texts_checked("cover_reason_plain", "reason"),
        ]

    def __str__(self) -> str:
        return f"{self.substitute} for {self.colleague}"

    def clean(self) -> None:
        """Checks rules of the trigger `cover_rules` before the cover is saved.

        Raises ValidationError if a rule is broken, so that the form shows the error at the right field.
        """
        if self.pk is not None:
            return
        people = [person for name in ("colleague", "substitute") if (person := getattr(self, name, None))]
        for person in people:
            if not person.is_active or person.effective_role not in contact_roles():
                raise ValidationError("Cover is between two active people who are contacts: sales or support.")
        if len({person.role for person in people}) > 1:
            raise ValidationError({"substitute": "Somebody covers for a colleague of the same role."})
        if self.ends_at and self.ends_at <= timezone.now():
            raise ValidationError({"ends_at": "A cover ends in the future."})
