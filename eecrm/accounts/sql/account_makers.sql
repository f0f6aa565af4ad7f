-- Returns the users who, directly or through other accounts, created the account or gave it its role or first login.
CREATE OR REPLACE FUNCTION account_makers(account bigint) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
    WITH RECURSIVE maker (id) AS (
        SELECT account
        UNION
        SELECT entry.actor_id FROM maker JOIN audit.entry
            ON entry.table_name = 'accounts_user' AND entry.row_key = maker.id::text AND entry.actor_id IS NOT NULL
         WHERE entry.operation = 'insert' OR entry.new ?| ARRAY['role', 'is_superuser', 'is_claimed']
            -- Who chose the address of an account that wasn't in use yet. Whoever takes an address away chooses none.
            OR entry.new ->> 'email' <> '' AND NOT entry.new ? 'email_confirmed_at'
    )
    SELECT array_agg(id) FROM maker WHERE id <> account
$function$;
