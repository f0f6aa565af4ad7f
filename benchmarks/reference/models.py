"""The table of clients as a plain model."""

from django.conf import settings
from django.db import models


class Client(models.Model):
    """Without what would cost the reference more than most projects pay: phones parsed on loading, the search document."""

    status = models.CharField(max_length=8)
    company_name = models.CharField(max_length=200)
    first_name = models.CharField(max_length=150)
    last_name = models.CharField(max_length=150)
    email = models.EmailField()
    phone = models.CharField(max_length=128)
    mobile = models.CharField(max_length=128)
    sales_contact = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    version = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "clients_client"
        ordering = ["-id"]
