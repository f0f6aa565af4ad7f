"""Makes PostgreSQL check foreign keys immediately.

The foreign key to the client includes the sales contact: ON UPDATE CASCADE copies a new sales contact to the contracts.
"""

from django.db import migrations

from access.migration_operations import handed_down, immediate_foreign_keys


class Migration(migrations.Migration):
    dependencies = [("contracts", "0001_initial")]

    operations = [
        immediate_foreign_keys("contracts_contract"),
        handed_down("sales_contact_id", table="contracts_contract", key="client_id", parent="clients_client"),
    ]
