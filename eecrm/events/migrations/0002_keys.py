"""Foreign keys that PostgreSQL checks at once, and the sales contact that comes down with one of them."""

from django.db import migrations

from access.migration_operations import handed_down, immediate_foreign_keys

# The rows that were below a client when it was taken from a partner (`contracts_then`, `events_then`).
DELETED = """
CREATE INDEX entry_of_deleted_contracts_then ON audit.entry (((old ->> 'client_id')::bigint), id)
    WHERE table_name = 'contracts_contract' AND operation = 'delete';
CREATE INDEX entry_of_deleted_events_then ON audit.entry (((old ->> 'contract_id')::bigint), id)
    WHERE table_name = 'events_event' AND operation = 'delete';
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial"), ("audit", "0001_initial")]

    operations = [
        immediate_foreign_keys("events_event"),
        handed_down("sales_contact_id", table="events_event", key="contract_id", parent="contracts_contract"),
        migrations.RunSQL(
            DELETED, "DROP INDEX audit.entry_of_deleted_contracts_then, audit.entry_of_deleted_events_then"
        ),
    ]
