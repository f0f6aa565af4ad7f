-- A change keeps the fields that changed, a new row and a deleted one are kept whole. The arguments of the trigger are
-- the columns that are no news (search documents, times of use) and those whose values are secrets. It runs as its
-- owner and is the one way into the table; who acts and why, the entered role's context says (`access.database`).
-- Whoever talks SQL as the login role may say what they like there: it is cut to what fits (a request's id is indexed)
-- and never a way out.
CREATE OR REPLACE FUNCTION audit.record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
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
$function$;
