-- News of the accounts that a statement wrote, once for all its rows: told for each row, an import would cost the number of
-- rows times the number of managers, and it may make managers itself. EXCEPT takes a time that grows with the rows, whatever
-- plan is cached; a join might not.
CREATE OR REPLACE FUNCTION managers_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
DECLARE
    caller text := coalesce(current_setting('eecrm.user_id', true), '');
    has_role boolean := NOT is_migrator();
BEGIN
    -- Another user made an account a manager's or auditor's, or ended that, or made a username of a deleted account anew.
    -- Commands on the server are the operator's own, and no news.
    IF TG_OP = 'INSERT' THEN
        IF caller <> '' AND (
               EXISTS (SELECT FROM written WHERE is_active AND (role IN ('management', 'auditor') OR is_superuser))
               -- LIMIT, and a table name in an expression, make PostgreSQL look up each username by its index
               -- (`entry_of_username`), whatever plan is cached.
               OR EXISTS (SELECT FROM written, LATERAL (
                              SELECT FROM audit.entry
                               WHERE table_name || '' = 'accounts_user' AND entry.new ? 'username'
                                 AND entry.new ->> 'username' = written.username AND row_key <> written.id::text
                               LIMIT 1) AS earlier)) THEN
            PERFORM tell_managers(true);
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF caller <> '' AND EXISTS (SELECT FROM former WHERE is_active AND (role IN ('management', 'auditor') OR is_superuser)) THEN
            PERFORM tell_managers(true);
        END IF;
    ELSIF caller <> '' AND EXISTS (
              SELECT id, CASE WHEN is_active AND (role IN ('management', 'auditor') OR is_superuser) THEN (role, is_superuser) END
                FROM former
              EXCEPT
              SELECT id, CASE WHEN is_active AND (role IN ('management', 'auditor') OR is_superuser) THEN (role, is_superuser) END
                FROM written)
       -- A username is what the trail calls somebody.
       OR EXISTS (SELECT id, username FROM former EXCEPT SELECT id, username FROM written)
       -- An address that was changed or asked for (`account_address`).
       OR has_role AND pg_trigger_depth() = 1 AND (
              EXISTS (SELECT id, lower(email) FROM former
                       WHERE is_claimed OR role IN ('management', 'auditor') OR is_superuser
                      EXCEPT
                      SELECT id, lower(email) FROM written)
              OR EXISTS (SELECT FROM accounts_addresschange
                          WHERE created_at = statement_timestamp() AND asked_by_id IS DISTINCT FROM user_id)) THEN
        PERFORM tell_managers(true);
    -- A display name is how histories and lists call somebody. It is news whoever changed it, at most once a day.
    ELSIF EXISTS (SELECT id, display_name FROM former EXCEPT SELECT id, display_name FROM written) THEN
        PERFORM tell_managers(false);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER managers_told_of_new
AFTER INSERT ON accounts_user REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION managers_told();

CREATE OR REPLACE TRIGGER managers_told_of_changed
AFTER UPDATE ON accounts_user REFERENCING OLD TABLE AS former NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION managers_told();

CREATE OR REPLACE TRIGGER managers_told_of_deleted
AFTER DELETE ON accounts_user REFERENCING OLD TABLE AS former
FOR EACH STATEMENT EXECUTE FUNCTION managers_told();
