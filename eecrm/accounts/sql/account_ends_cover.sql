-- Ends the leave covers of an account when its role, activity or superuser status changes.
CREATE OR REPLACE FUNCTION account_ends_cover() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF (NEW.role, NEW.is_active, NEW.is_superuser) IS DISTINCT FROM (OLD.role, OLD.is_active, OLD.is_superuser) THEN
        UPDATE accounts_cover SET ends_at = GREATEST(starts_at, statement_timestamp())
         WHERE NEW.id IN (colleague_id, substitute_id) AND ends_at > GREATEST(starts_at, statement_timestamp());
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER account_ends_cover
AFTER UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_ends_cover();
