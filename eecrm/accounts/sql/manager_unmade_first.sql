-- Refuses to delete a manager's or auditor's account before it was deactivated and its owner was mailed about that.
-- The mail would be deleted with the account.
CREATE OR REPLACE FUNCTION manager_unmade_first() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF NOT is_migrator() AND NOT policy_allows('user.promote') AND OLD.is_claimed AND (
        OLD.is_active AND OLD.role IN ('management', 'auditor')
        OR EXISTS (SELECT FROM accounts_mail WHERE user_id = OLD.id AND kind = 'manager_unmade'
                      AND sent_at IS NULL AND given_up_at IS NULL)) THEN
        PERFORM refuse('manager_told_first');
    END IF;
    RETURN OLD;
END
$function$;

CREATE OR REPLACE TRIGGER manager_unmade_first
BEFORE DELETE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION manager_unmade_first();
