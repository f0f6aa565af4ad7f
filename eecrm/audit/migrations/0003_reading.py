"""Indexes for the ways in which the admin site narrows the trail down."""

from django.db import migrations

# A day of a long trail is found in the order of its times; common kinds and channels are found soon by going back from
# the newest entry, and cost a write no further index. Most entries have no reason.
INDEXES = """
DROP INDEX audit.entry_at;
CREATE INDEX entry_at ON audit.entry (at, id);
CREATE INDEX entry_of_rare_kind ON audit.entry (table_name, id)
    WHERE table_name NOT IN ('clients_client', 'contracts_contract', 'events_event', 'accounts_tokensession');
CREATE INDEX entry_of_rare_channel ON audit.entry (channel, id) WHERE channel <> 'api';
CREATE INDEX entry_reason ON audit.entry USING gin (to_tsvector('simple'::regconfig, COALESCE(reason, '')))
    WHERE reason <> '';
"""
WITHOUT_INDEXES = """
DROP INDEX audit.entry_reason;
DROP INDEX audit.entry_of_rare_channel;
DROP INDEX audit.entry_of_rare_kind;
DROP INDEX audit.entry_at;
CREATE INDEX entry_at ON audit.entry USING brin (at);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_seals")]

    operations = [migrations.RunSQL(INDEXES, WITHOUT_INDEXES)]
