"""Indexes for what the worker watches (`accounts.alerts`), and for who had a username. They are partial: an entry of another
kind costs nothing."""

from django.db import migrations

INDEXES = """
CREATE INDEX entry_of_deletion ON audit.entry (at)
    WHERE operation = 'delete' AND table_name IN ('clients_client', 'contracts_contract', 'events_event', 'accounts_user', 'auth_group');
CREATE INDEX entry_of_change ON audit.entry (at)
    WHERE operation = 'update' AND table_name IN ('clients_client', 'contracts_contract', 'events_event');
CREATE INDEX entry_of_account ON audit.entry (at)
    WHERE operation <> 'delete' AND (table_name = 'accounts_user' AND new ?| '{is_active,role}' OR table_name = 'accounts_user_groups');
CREATE INDEX entry_of_reopening ON audit.entry (at)
    WHERE operation = 'update' AND table_name = 'contracts_contract' AND old ->> 'status' = 'signed';
CREATE INDEX entry_of_signature ON audit.entry (at)
    WHERE operation = 'update' AND table_name = 'contracts_contract' AND new ? 'status';
CREATE INDEX entry_of_username ON audit.entry ((new ->> 'username')) WHERE table_name = 'accounts_user' AND new ? 'username';
CREATE INDEX entry_of_export ON audit.entry (at) WHERE operation = 'insert' AND table_name = 'accounts_export';
"""
WITHOUT_INDEXES = """
DROP INDEX audit.entry_of_deletion, audit.entry_of_change, audit.entry_of_account, audit.entry_of_reopening,
    audit.entry_of_signature, audit.entry_of_username, audit.entry_of_export;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_history_proof")]

    operations = [migrations.RunSQL(INDEXES, WITHOUT_INDEXES)]
