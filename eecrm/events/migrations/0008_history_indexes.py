"""What a partner is told of a row is asked of each of its entries: when the client was linked to somebody else, or deleted. Found
among all later entries of the row, a history would cost the square of its length."""

from django.db import migrations

INDEXES = """
CREATE INDEX entry_of_link ON audit.entry (row_key, id)
    WHERE table_name = 'clients_client' AND (operation <> 'update' OR old ? 'account_id');
CREATE INDEX entry_of_deleted_row ON audit.entry (table_name, row_key, id) WHERE operation = 'delete';
"""
WITHOUT_INDEXES = "DROP INDEX audit.entry_of_deleted_row; DROP INDEX audit.entry_of_link"


class Migration(migrations.Migration):
    dependencies = [("events", "0007_history")]

    operations = [migrations.RunSQL(INDEXES, WITHOUT_INDEXES)]
