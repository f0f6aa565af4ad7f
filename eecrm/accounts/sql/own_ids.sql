-- Whose rows are the caller's own: theirs, and while they cover for colleagues those colleagues' too. The policies of
-- row security ask it once a statement (`access.row_security`); `User.covered_ids` is the same in Python.
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
