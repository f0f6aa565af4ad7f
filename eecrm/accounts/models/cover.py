"""Leave cover: one person's *own*, lent to a colleague until a date."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from access.querysets import PolicyQuerySet
from accounts.models.user import User


class CoverQuerySet(PolicyQuerySet["Cover"]):
    resource = "cover"

    def current(self) -> "CoverQuerySet":
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now())


class Cover(models.Model):
    """While it lasts, what is `colleague`'s own is `substitute`'s own too. It ends by itself."""

    colleague = models.ForeignKey(User, on_delete=models.CASCADE, related_name="covered_by")
    substitute = models.ForeignKey(User, on_delete=models.CASCADE, related_name="covers")
    starts_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    granted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = CoverQuerySet.as_manager()

    class Meta:
        ordering = ["-ends_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="cover_ends_after_start",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="A cover ends after it starts.",
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
        ]

    def __str__(self) -> str:
        return f"{self.substitute} for {self.colleague}"
