"""Makes PostgreSQL check foreign keys immediately. Django's own foreign keys are checked only at the commit."""

from django.db import migrations

from access.migration_operations import immediate_foreign_keys


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial")]

    operations = [
        immediate_foreign_keys("clients_client"),
    ]
