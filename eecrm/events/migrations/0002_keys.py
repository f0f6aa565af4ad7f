"""Makes PostgreSQL check foreign keys immediately, and adds indexes for the history that a partner reads.

One foreign key gives an event the sales contact of its contract.
"""

from django.db import migrations

from access.migration_operations import handed_down, immediate_foreign_keys

# These indexes speed up `history/` for users with the role partner.
# For each trail entry, SQL functions such as `linked_then` search for later entries about the same client or row.
# The functions search for entries that linked the client to another account, or deleted the row.
# Without the indexes, the cost of a history grows with the square of its length.
HISTORY = """
CREATE INDEX entry_of_link ON audit.entry (row_key, id)
    WHERE table_name = 'clients_client' AND (operation <> 'update' OR old ? 'account_id');
CREATE INDEX entry_of_deleted_row ON audit.entry (table_name, row_key, id) WHERE operation = 'delete';
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
            HISTORY,
            "DROP INDEX audit.entry_of_link, audit.entry_of_deleted_row, audit.entry_of_deleted_contracts_then,"
            " audit.entry_of_deleted_events_then",
        ),
    ]
