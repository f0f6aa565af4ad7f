"""Foreign keys that PostgreSQL checks at once, and the sales contact that comes down with one of them."""

from django.db import migrations

from access.migration_operations import handed_down, immediate_foreign_keys


class Migration(migrations.Migration):
    dependencies = [("contracts", "0001_initial")]

    operations = [
        immediate_foreign_keys("contracts_contract"),
        handed_down("sales_contact_id", table="contracts_contract", key="client_id", parent="clients_client"),
    ]
