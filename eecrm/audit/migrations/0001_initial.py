"""Creates the tables of the audit trail and its seals, in a separate schema."""

from django.db import migrations, models

import audit.models

# The server makes a `request_id` for each HTTP request. The caller chooses the `caller_request_id`.
# Entries with the same `transaction_id` were written in one transaction.
# `row_key` is text because keys are numbers in some tables and UUIDs in others.
ENTRY = """
CREATE TABLE audit.entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name text NOT NULL,
    row_key text NOT NULL,
    operation text NOT NULL,
    actor_id bigint,
    actor_name text NOT NULL,
    role text NOT NULL,
    channel text NOT NULL,
    request_id text NOT NULL,
    caller_request_id text NOT NULL DEFAULT '',
    reason text NOT NULL,
    old jsonb,
    new jsonb,
    is_synced boolean NOT NULL DEFAULT false
);
CREATE INDEX entry_of_row ON audit.entry (table_name, row_key, id);
CREATE INDEX entry_of_actor ON audit.entry (actor_id, id);
CREATE INDEX entry_of_request ON audit.entry (request_id, id) WHERE request_id <> '';
CREATE INDEX entry_of_caller_request ON audit.entry (caller_request_id, id) WHERE caller_request_id <> '';
"""

# Indexes for the filters and the search of the admin site.
# The filters by table and by channel need an index only for values with few entries.
# A query for a value with many entries soon finds enough of them, because it begins at the newest entry.
# The index for reasons leaves out entries without a reason, which are most entries.
READING = """
CREATE INDEX entry_at ON audit.entry (at, id);
CREATE INDEX entry_of_rare_kind ON audit.entry (table_name, id)
    WHERE table_name NOT IN ('clients_client', 'contracts_contract', 'events_event', 'accounts_tokensession');
CREATE INDEX entry_of_rare_channel ON audit.entry (channel, id) WHERE channel <> 'api';
CREATE INDEX entry_reason ON audit.entry USING gin (to_tsvector('simple'::regconfig, COALESCE(reason, '')))
    WHERE reason <> '';
"""

# Index for the change log of offline copies (`audit.sync.views`), so that many other entries don't delay a query.
# The trigger sets `is_synced` when it writes an entry that changes offline copies.
# If the index listed the copied tables instead, the index would become wrong when the code adds a table.
SYNC = """
CREATE INDEX entry_for_sync ON audit.entry (transaction_id, id) WHERE is_synced;
"""

# Indexes for the queries of alerts (`accounts.outbox.alerts`). `entry_of_username` finds earlier owners of a username.
# The indexes are partial, so that writing any other entry doesn't update them.
# Where possible, the conditions don't list the recorded tables, but exclude sessions.
# So the indexes also serve the tables of new resources.
ALERTS = """
CREATE INDEX entry_of_deletion ON audit.entry (at) WHERE operation = 'delete' AND table_name <> 'accounts_tokensession';
CREATE INDEX entry_of_change ON audit.entry (at) WHERE operation = 'update' AND table_name <> 'accounts_tokensession';
CREATE INDEX entry_of_account ON audit.entry (at)
    WHERE operation <> 'delete' AND (table_name = 'accounts_user' AND new ?| '{is_active,role}'
                                     OR table_name = 'accounts_user_groups');
CREATE INDEX entry_of_reopening ON audit.entry (at)
    WHERE operation = 'update' AND table_name = 'contracts_contract' AND old ->> 'status' = 'signed';
CREATE INDEX entry_of_signature ON audit.entry (at)
    WHERE operation = 'update' AND table_name = 'contracts_contract' AND new ? 'status';
CREATE INDEX entry_of_username ON audit.entry ((new ->> 'username')) WHERE new ? 'username';
CREATE INDEX entry_of_export ON audit.entry (at) WHERE operation = 'insert' AND table_name = 'accounts_export';
"""

# `hash` is computed from the seal's other columns and from the digests of its entries in the order of their ids.
# Seal ids have no gaps, so that a missing seal is noticed.
# The id range of each seal begins directly after the range of the previous seal, so no entry can be added between.
SEALS = """
CREATE TABLE audit.seal (
    id bigint PRIMARY KEY,
    first_id bigint NOT NULL UNIQUE,
    last_id bigint NOT NULL UNIQUE CHECK (last_id >= first_id),
    entries bigint NOT NULL,
    previous_hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE audit.boundary (last_id bigint NOT NULL, xid xid8 NOT NULL);
CREATE UNIQUE INDEX one_boundary ON audit.boundary ((true));
INSERT INTO audit.boundary VALUES (0, '0');
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL([ENTRY, READING, SYNC, ALERTS, SEALS], "DROP TABLE audit.boundary, audit.seal, audit.entry"),
        migrations.CreateModel(
            name="Entry",
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
                ("caller_request_id", models.TextField()),
                ("reason", models.TextField()),
                ("old", models.JSONField(decoder=audit.models._Exact, null=True)),
                ("new", models.JSONField(decoder=audit.models._Exact, null=True)),
            ],
            options={
                "verbose_name_plural": "entries",
                "db_table": '"audit"."entry"',
                "ordering": ["-id"],
                "managed": False,
            },
        ),
    ]
