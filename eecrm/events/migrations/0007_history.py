"""The history that a partner is told: what happened to a row while its client was linked to them (`audit.trail.history`)."""

from django.db import migrations

# Under which contract an event was when something happened to it.
CONTRACT_THEN = """
CREATE FUNCTION audit.contract_then(event bigint, entry_id bigint) RETURNS bigint LANGUAGE sql STABLE
SET search_path = audit, eecrm, pg_temp
AS $contract$
    SELECT coalesce((SELECT (old ->> 'contract_id')::bigint FROM entry
                      WHERE table_name = 'events_event' AND row_key = event::text AND id > entry_id
                        AND operation = 'delete'
                      ORDER BY id LIMIT 1),
                    (SELECT contract_id FROM events_event WHERE id = event))
$contract$;
"""

# Row security asks it of each entry. The change that makes or ends the link is none of theirs: one of its two sides is
# from when the client wasn't theirs.
WAS_MINE = """
CREATE FUNCTION audit.was_mine(table_name text, row_key text, operation text, entry_id bigint, old jsonb, new jsonb)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, eecrm, pg_temp
AS $mine$
DECLARE
    me bigint := nullif(current_setting('eecrm.user_id', true), '');
    written jsonb := coalesce(new, old);
    contract bigint;
    client bigint;
BEGIN
    IF table_name = 'clients_client' THEN
        IF operation <> 'update' THEN
            RETURN coalesce((written ->> 'account_id')::bigint = me, false);
        ELSIF new ? 'account_id' THEN
            RETURN false;
        END IF;
        client := row_key;
    ELSIF table_name = 'contracts_contract' THEN
        client := CASE operation WHEN 'update' THEN client_then(row_key::bigint, entry_id)
                                 ELSE (written ->> 'client_id')::bigint END;
    ELSIF table_name = 'events_event' THEN
        contract := CASE operation WHEN 'update' THEN contract_then(row_key::bigint, entry_id)
                                   ELSE (written ->> 'contract_id')::bigint END;
        client := client_then(contract, entry_id);
    END IF;
    RETURN coalesce(linked_then(client, entry_id) = me, false);
END
$mine$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0006_lists")]

    operations = [
        migrations.RunSQL(CONTRACT_THEN, "DROP FUNCTION audit.contract_then(bigint, bigint)"),
        # With the policy that asks it: a partner then reads no entry until `sync_access` has run.
        migrations.RunSQL(WAS_MINE, "DROP FUNCTION audit.was_mine(text, text, text, bigint, jsonb, jsonb) CASCADE"),
    ]
