-- Returns the keys of the accounts whose rows count as the caller's own: the caller's account, and those of colleagues
-- for whom the caller stands in now (leave cover). Row security policies call it once for each statement
-- (`access.row_security`). `User.covered_ids` is the same in Python.
CREATE OR REPLACE FUNCTION own_ids() RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
    SELECT array_agg(id) FROM (
        SELECT nullif(current_setting('eecrm.user_id', true), '')::bigint AS id
         UNION ALL
        SELECT colleague_id FROM accounts_cover
         WHERE substitute_id = nullif(current_setting('eecrm.user_id', true), '')::bigint
           AND starts_at <= statement_timestamp() AND ends_at > statement_timestamp()
    ) AS own
$function$;
