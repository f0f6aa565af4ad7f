"""The tables of the benchmark database as plain Django models."""

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import models


class SamePasswordHasher(Argon2PasswordHasher):
    """Argon2 with this project's parameters, so that costs can be compared.

    Django's default needs five times the memory.
    """

    memory_cost = 19_456  # memory in KiB
    time_cost = 2
    parallelism = 1


class User(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    display_name = models.CharField(max_length=301)
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager()
    USERNAME_FIELD = "username"

    class Meta:
        managed = False
        db_table = "accounts_user"


class Client(models.Model):
    """A client (customer).

    The model has no parsed phone numbers and no column for full-text search, because most projects don't have them.
    """

    status = models.CharField(max_length=8, default="prospect")
    company_name = models.CharField(max_length=200)
    first_name = models.CharField(max_length=150)
    last_name = models.CharField(max_length=150)
    email = models.EmailField(unique=True)
    phone = models.CharField(max_length=128, blank=True)
    mobile = models.CharField(max_length=128, blank=True)
    sales_contact = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="clients")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.BigIntegerField(default=1, editable=False)

    class Meta:
        managed = False
        db_table = "clients_client"
        ordering = ["-id"]
