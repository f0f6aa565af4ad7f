"""The trail: a schema of its own, one table, one trigger function that alone writes it."""

from django.db import migrations, models

# `request_id` is made by the server, for each request; `caller_request_id` is what its caller calls it, and nobody else's word.
# `transaction_id` tells what was written together. `row_key` is text, for keys are numbers here and UUIDs there.
TABLE = """
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
    new jsonb
);
CREATE INDEX entry_of_row ON audit.entry (table_name, row_key, id);
CREATE INDEX entry_of_actor ON audit.entry (actor_id, id);
CREATE INDEX entry_of_request ON audit.entry (request_id, id) WHERE request_id <> '';
CREATE INDEX entry_of_caller_request ON audit.entry (caller_request_id, id) WHERE caller_request_id <> '';
CREATE INDEX entry_at ON audit.entry USING brin (at);
"""

# A change keeps the fields that changed, a new row and a deleted one are kept whole. The arguments of the trigger are
# the columns that are no news (search documents, times of use) and those whose values are secrets. It runs as its owner
# and is the one way into the table; who acts and why, the entered role's context says (`access.database`). Whoever talks
# SQL as the login role may say what they like there: it is cut to what fits (a request's id is indexed) and never a way out.
RECORD = """
CREATE FUNCTION audit.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $record$
DECLARE
    no_news text[] := TG_ARGV[0];
    secrets text[] := TG_ARGV[1];
    acting text := coalesce(current_setting('eecrm.user_id', true), '');
    person bigint;
    entered text := current_setting('role');
    way text := current_setting('eecrm.channel', true);
    name text;
    key text;
    before jsonb;
    after jsonb;
BEGIN
    IF acting !~ '^[0-9]{0,18}$' THEN
        PERFORM refuse('trail_names_its_actor', 'The setting eecrm.user_id is not the number of an account.');
    END IF;
    person := nullif(acting, '');
    IF TG_OP <> 'INSERT' THEN before := to_jsonb(OLD) - no_news; key := before ->> 'id'; END IF;
    IF TG_OP <> 'DELETE' THEN after := to_jsonb(NEW) - no_news; key := after ->> 'id'; END IF;
    IF TG_OP = 'UPDATE' THEN
        IF before = after THEN
            RETURN NULL;
        END IF;
        SELECT jsonb_object_agg(field, before -> field), jsonb_object_agg(field, value) INTO before, after
          FROM jsonb_each(after) AS changed (field, value) WHERE before -> field IS DISTINCT FROM value;
    END IF;
    FOREACH name IN ARRAY secrets LOOP
        IF before ? name THEN before := before || jsonb_build_object(name, '***'); END IF;
        IF after ? name THEN after := after || jsonb_build_object(name, '***'); END IF;
    END LOOP;
    INSERT INTO audit.entry (table_name, row_key, operation, actor_id, actor_name, role, channel, request_id, caller_request_id,
                             reason, old, new)
    VALUES (TG_TABLE_NAME, key, lower(TG_OP), person,
            coalesce((SELECT username FROM accounts_user WHERE id = person), ''),
            CASE entered WHEN 'none' THEN session_user::text ELSE entered END,
            CASE WHEN way IN ('api', 'admin', 'command', 'worker') THEN way ELSE 'sql' END,
            left(coalesce(current_setting('eecrm.request_id', true), ''), 64),
            left(coalesce(current_setting('eecrm.caller_request_id', true), ''), 64),
            left(coalesce(current_setting('eecrm.reason', true), ''), 2000),
            before, after);
    RETURN NULL;
END
$record$;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE audit.entry"),
        migrations.RunSQL(RECORD, "DROP FUNCTION audit.record() CASCADE"),
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
                ("old", models.JSONField(null=True)),
                ("new", models.JSONField(null=True)),
            ],
            options={
                "db_table": '"audit"."entry"',
                "managed": False,
                "ordering": ["-id"],
                "verbose_name_plural": "entries",
            },
        ),
    ]
