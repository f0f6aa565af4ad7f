"""How the trail is read: the history of what one sees, and indexes for the admin site's filters."""

from django.db import migrations, models

# Asked as the entered role, whose grants and row security decide: a view's functions run as whoever reads the view.
SEES = """
CREATE FUNCTION audit.sees(table_name text, row_key text) RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = eecrm, pg_temp
AS $sees$
BEGIN
    IF table_name = 'clients_client' THEN
        RETURN EXISTS (SELECT FROM clients_client WHERE id = row_key::bigint);
    ELSIF table_name = 'contracts_contract' THEN
        RETURN EXISTS (SELECT FROM contracts_contract WHERE id = row_key::bigint);
    ELSIF table_name = 'events_event' THEN
        RETURN EXISTS (SELECT FROM events_event WHERE id = row_key::bigint);
    END IF;
    RETURN false;
END
$sees$;
"""

# The table of the trail itself is read as the view's owner: roles that may not read all of it have no grant on it.
VISIBLE_ENTRY = """
CREATE VIEW audit.visible_entry WITH (security_barrier) AS
SELECT * FROM audit.entry WHERE audit.sees(table_name, row_key);
"""

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
    dependencies = [("audit", "0001_trail")]

    operations = [
        migrations.RunSQL(SEES, "DROP FUNCTION audit.sees(text, text)"),
        migrations.RunSQL(VISIBLE_ENTRY, "DROP VIEW audit.visible_entry"),
        migrations.RunSQL(INDEXES, WITHOUT_INDEXES),
        migrations.CreateModel(
            name="VisibleEntry",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("transaction_id", models.TextField()),
                ("table_name", models.TextField()),
                ("row_key", models.TextField()),
                ("operation", models.TextField()),
                ("actor_id", models.BigIntegerField(null=True)),
                ("actor_name", models.TextField()),
                ("role", models.TextField()),
                ("channel", models.TextField()),
                ("request_id", models.TextField()),
                ("reason", models.TextField()),
                ("old", models.JSONField(null=True)),
                ("new", models.JSONField(null=True)),
            ],
            options={
                "db_table": '"audit"."visible_entry"',
                "managed": False,
                "default_permissions": (),
                "ordering": ["-id"],
            },
        ),
    ]
