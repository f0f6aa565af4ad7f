-- The rule by which a change may not be confirmed by the caller now; NULL where it may.  A second manager is one that
-- the first can't have made: active in this role, with this address and in use for seven days before the change was
-- asked for, as the trail tells; and neither of the two made the other, gave them their role or their first way in, or
-- made who did; nor did a third manager so with both, who might be both of them. Superusers are made by superusers
-- alone, and no user acts in a command on the server.
CREATE OR REPLACE FUNCTION address_objection(its_id bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    caller bigint := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    change accounts_addresschange;
BEGIN
    SELECT * INTO change FROM accounts_addresschange WHERE id = its_id;
    IF current_setting('role') = 'none' THEN  -- the owner's link
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
