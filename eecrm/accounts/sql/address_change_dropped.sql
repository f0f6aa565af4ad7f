-- Tells the managers that an address that somebody else asked for was dropped before its time. The present mailbox may
-- be a thief's: without the news nobody would notice that each correction of it is dropped.
-- A deactivation of the account drops it too. The deletion of a change that its owner confirmed drops nothing.
CREATE OR REPLACE FUNCTION address_change_dropped() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF OLD.asked_by_id IS DISTINCT FROM OLD.user_id AND OLD.confirmed_by_id IS NULL
       AND OLD.created_at > statement_timestamp() - interval '7 days' THEN
        PERFORM tell_managers(true);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER address_change_dropped
AFTER DELETE ON accounts_addresschange
FOR EACH ROW EXECUTE FUNCTION address_change_dropped();
