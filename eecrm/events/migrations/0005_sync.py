"""What of the change log is told to whom a client's linked account belongs: what is, or was then, theirs (`audit.sync.views`)."""

from django.db import migrations

from access.migration_operations import rules

# What a partner sees changes with `client.account_id`. While it does, nobody makes, changes or deletes what hangs below
# the client: a new contract has a share of the client, a new event has one of its contract, the rest are the rows
# themselves. So each entry about these rows was written either before that of the link or after it, and its id tells.
LINK = """
BEGIN
    IF NEW.account_id IS DISTINCT FROM OLD.account_id THEN
        PERFORM FROM contracts_contract WHERE client_id = NEW.id ORDER BY id FOR NO KEY UPDATE;
        PERFORM FROM events_event AS event JOIN contracts_contract AS contract ON contract.id = event.contract_id
          WHERE contract.client_id = NEW.id ORDER BY event.id FOR SHARE OF event;
    END IF;
    RETURN NEW;
END
"""

# To whom a client was linked right after an entry: what the next change of the link, or the deletion, had found.
LINKED_THEN = """
CREATE FUNCTION audit.linked_then(client bigint, entry_id bigint) RETURNS bigint LANGUAGE sql STABLE
SET search_path = audit, eecrm, pg_temp
AS $linked$
    SELECT account FROM (
        (SELECT id, (old ->> 'account_id')::bigint AS account FROM entry
          WHERE table_name = 'clients_client' AND row_key = client::text AND id > entry_id
            AND (operation <> 'update' OR old ? 'account_id')
          ORDER BY id LIMIT 1)
         UNION ALL
        SELECT 9223372036854775807, account_id FROM clients_client WHERE id = client
    ) AS found ORDER BY id LIMIT 1
$linked$;
"""

# The rows of a table that hung below one of these parents right after an entry: those that are there and weren't made
# later, and those that were deleted since.
BELOW_THEN = """
CREATE FUNCTION audit.{name}(parents bigint[], entry_id bigint) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = audit, eecrm, pg_temp
AS $below$
    SELECT child.id FROM {table} AS child
     WHERE child.{parent} = ANY (parents)
       AND NOT EXISTS (SELECT FROM entry WHERE table_name = '{table}' AND row_key = child.id::text AND id > entry_id
                          AND operation = 'insert')
     UNION
    SELECT gone.row_key::bigint FROM entry AS gone
     WHERE gone.table_name = '{table}' AND gone.operation = 'delete' AND gone.id > entry_id
       AND (gone.old ->> '{parent}')::bigint = ANY (parents)
       AND NOT EXISTS (SELECT FROM entry AS made WHERE made.table_name = '{table}' AND made.row_key = gone.row_key
                          AND made.id > entry_id AND made.id < gone.id AND made.operation = 'insert')
$below$;
CREATE INDEX entry_of_deleted_{name} ON audit.entry (((old ->> '{parent}')::bigint), id)
    WHERE table_name = '{table}' AND operation = 'delete';
"""
WITHOUT_BELOW_THEN = "DROP INDEX audit.entry_of_deleted_{name}; DROP FUNCTION audit.{name}(bigint[], bigint)"
CHILDREN = (
    {"name": "contracts_then", "table": "contracts_contract", "parent": "client_id"},
    {"name": "events_then", "table": "events_event", "parent": "contract_id"},
)

# A row that is the caller's now is told of as everybody is told of it. One that isn't there any more, or isn't theirs, is
# told of only where it was theirs at the time: it was deleted ('delete'), or the client was taken from them ('revoke'),
# with all that hung below it then. Of what happened to it before or after, they learn nothing.
OF_MINE = """
CREATE FUNCTION audit.changes_of_mine(after_xid xid8, after_id bigint, last_xid xid8, last_id bigint, most integer)
RETURNS TABLE (xid xid8, id bigint, table_name text, key bigint, operation text, columns text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, eecrm, pg_temp
AS $mine$
#variable_conflict use_column
DECLARE
    me bigint := nullif(current_setting('eecrm.user_id', true), '');
BEGIN
    RETURN QUERY
    WITH closed AS MATERIALIZED (
        SELECT one.*, entry.old FROM changes(after_xid, after_id, last_xid, last_id, most) AS one JOIN entry USING (id)
    ), present AS (
        SELECT 'clients_client' AS place, client.id FROM clients_client AS client WHERE client.account_id = me
         UNION ALL
        SELECT 'contracts_contract', contract.id
          FROM contracts_contract AS contract JOIN clients_client AS client ON client.id = contract.client_id
         WHERE client.account_id = me
         UNION ALL
        SELECT 'events_event', event.id
          FROM events_event AS event JOIN contracts_contract AS contract ON contract.id = event.contract_id
          JOIN clients_client AS client ON client.id = contract.client_id
         WHERE client.account_id = me
         UNION ALL
        SELECT 'accounts_user', client.sales_contact_id FROM clients_client AS client WHERE client.account_id = me
         UNION
        SELECT 'accounts_user', event.support_contact_id
          FROM events_event AS event JOIN contracts_contract AS contract ON contract.id = event.contract_id
          JOIN clients_client AS client ON client.id = contract.client_id
         WHERE client.account_id = me
    ), deleted AS (
        SELECT * FROM closed
         WHERE operation = 'delete'
           AND CASE table_name
               WHEN 'clients_client' THEN (old ->> 'account_id')::bigint = me
               WHEN 'contracts_contract' THEN linked_then((old ->> 'client_id')::bigint, id) = me
               WHEN 'events_event' THEN linked_then(client_then((old ->> 'contract_id')::bigint, id), id) = me
               END
    ), lost AS (
        SELECT *, ARRAY(SELECT contracts_then(ARRAY[key], id)) AS contracts FROM closed
         WHERE table_name = 'clients_client' AND operation = 'update' AND (old ->> 'account_id')::bigint = me
    )
    SELECT xid, id, table_name, key, operation, columns FROM closed
     WHERE operation <> 'delete' AND (table_name, key) IN (SELECT place, present.id FROM present)
     UNION ALL
    SELECT xid, id, table_name, key, operation, columns FROM deleted
     UNION ALL
    SELECT xid, id, table_name, key, 'revoke', '{}' FROM lost
     UNION ALL
    SELECT xid, id, 'contracts_contract', contract, 'revoke', '{}' FROM lost, unnest(contracts) AS contract
     UNION ALL
    SELECT xid, id, 'events_event', event, 'revoke', '{}' FROM lost, events_then(contracts, id) AS event
     UNION ALL
    SELECT xid, id, table_name, key, operation, columns FROM closed WHERE table_name = '';
END
$mine$;
"""

# Under which client a contract was when an event of it was deleted: the contract was still there.
CLIENT_THEN = """
CREATE FUNCTION audit.client_then(contract bigint, entry_id bigint) RETURNS bigint LANGUAGE sql STABLE
SET search_path = audit, eecrm, pg_temp
AS $client$
    SELECT coalesce((SELECT (old ->> 'client_id')::bigint FROM entry
                      WHERE table_name = 'contracts_contract' AND row_key = contract::text AND id > entry_id
                        AND operation = 'delete'
                      ORDER BY id LIMIT 1),
                    (SELECT client_id FROM contracts_contract WHERE id = contract))
$client$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0004_reasons"), ("audit", "0004_sync")]

    operations = [
        rules("client_link_waits", table="clients_client", when="BEFORE UPDATE OF account_id", body=LINK),
        migrations.RunSQL(LINKED_THEN, "DROP FUNCTION audit.linked_then(bigint, bigint)"),
        migrations.RunSQL(CLIENT_THEN, "DROP FUNCTION audit.client_then(bigint, bigint)"),
        *(migrations.RunSQL(BELOW_THEN.format(**names), WITHOUT_BELOW_THEN.format(**names)) for names in CHILDREN),
        migrations.RunSQL(OF_MINE, "DROP FUNCTION audit.changes_of_mine(xid8, bigint, xid8, bigint, integer)"),
    ]
