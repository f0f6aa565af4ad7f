-- Returns the rule that keeps the caller from confirming a new email address now; NULL if the caller may confirm it.
-- The owner confirms it by the mailed link, or a second manager does, whose account the first one can't control:
-- - The second manager has been active in this role, in use and with this address for seven days before the request.
-- - Neither of the two created the other's account or gave it its role or first login, directly or through other
-- accounts.
-- - No third manager did this for both accounts.
-- These rules don't apply to superusers, because managers can't make them. A command on the server has no user.
CREATE OR REPLACE FUNCTION address_objection(its_id bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    caller bigint := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    change accounts_addresschange;
BEGIN
    SELECT * INTO change FROM accounts_addresschange WHERE id = its_id;
    IF current_setting('role') = 'none' THEN  -- no SET ROLE: the owner's link
        RETURN CASE WHEN caller IS DISTINCT FROM change.user_id THEN 'address_second_manager' END;
    END IF;
    IF caller IS NULL AND policy_allows('user.promote') THEN
        RETURN NULL;
    END IF;
    IF caller IS NULL OR caller = change.user_id OR caller = change.asked_by_id THEN
        RETURN 'address_second_manager';
    END IF;
    IF change.created_at > statement_timestamp() - interval '1 day' THEN
        RETURN 'address_rests';
    END IF;
    IF (SELECT is_superuser FROM accounts_user WHERE id = caller) THEN
        RETURN NULL;
    END IF;
    IF (SELECT max(at) FROM audit.entry WHERE table_name = 'accounts_user' AND row_key = caller::text
           AND (operation = 'insert' OR new ?| ARRAY['role', 'is_superuser', 'is_active', 'is_claimed', 'email'])
       ) <= change.created_at - interval '7 days' IS NOT TRUE THEN
        RETURN 'address_new_manager';
    END IF;
    IF change.asked_by_id = ANY (account_makers(caller))
       OR change.asked_by_id <> change.user_id AND (
           caller = ANY (account_makers(change.asked_by_id)) OR EXISTS (
               SELECT FROM accounts_user WHERE NOT is_superuser
                   AND id = ANY (account_makers(caller)) AND id = ANY (account_makers(change.asked_by_id)))) THEN
        RETURN 'address_made_by_asker';
    END IF;
    RETURN NULL;
END
$function$;
