-- Trigger function that writes one trail entry for each write to a row. Only this function may write audit.entry.
-- The entry of an update has the changed columns. The entry of an insert or a deletion has the whole row.
-- The first argument lists columns to leave out, such as search documents and times of last use.
-- The second argument lists secret columns, whose values are replaced by stars.
-- `is_synced` marks the entries that clients with offline copies read (`audit.changes`).
-- The actor and the reason come from the settings that are set together with the role (`access.database`).
-- An SQL session of the login role `eecrm_app` can set these settings to any text.
-- So texts are cut to a maximum length (request ids are indexed), and no text can prevent the entry.
CREATE OR REPLACE FUNCTION audit.record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
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
        PERFORM refuse('trail_names_its_actor');
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
    INSERT INTO audit.entry (table_name, row_key, operation, actor_id, actor_name, role, channel, request_id,
                             caller_request_id, reason, old, new, is_synced)
    VALUES (TG_TABLE_NAME, key, lower(TG_OP), person,
            coalesce((SELECT username FROM accounts_user WHERE id = person), ''),
            CASE entered WHEN 'none' THEN session_user::text ELSE entered END,
            CASE WHEN way IN ('api', 'admin', 'command', 'worker') THEN way ELSE 'sql' END,
            left(coalesce(current_setting('eecrm.request_id', true), ''), 64),
            left(coalesce(current_setting('eecrm.caller_request_id', true), ''), 64),
            left(coalesce(current_setting('eecrm.reason', true), ''), 2000),
            before, after,
            TG_TABLE_NAME = ANY (audit.sync_tables())
                OR TG_OP = 'UPDATE' AND coalesce(after ?| audit.sync_columns(TG_TABLE_NAME), false));
    RETURN NULL;
END
$function$;
