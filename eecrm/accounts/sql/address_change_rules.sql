-- Rules of requested changes of email addresses. An UPDATE confirms the change.
CREATE OR REPLACE FUNCTION address_change_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
DECLARE
    caller bigint := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    sent bigint;
    sent_for_account bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.asked_by_id := caller;
        NEW.confirmed_by_id := NULL;
        NEW.created_at := statement_timestamp();
        -- Concurrent requests for one address run one after the other, so that each counts the mails of the others.
        PERFORM pg_advisory_xact_lock(hashtext('address_confirmation'), hashtext(lower(NEW.address)));
        -- By requests of owners, an address gets three links a day, at most two of them for one account. So one account
        -- can't block it for others. Without the exception for managers, a thief who fills this limit would block each
        -- correction. The worker limits all mails to an unconfirmed address.
        SELECT count(*), count(*) FILTER (WHERE user_id = NEW.user_id) INTO sent, sent_for_account FROM accounts_mail
         WHERE lower(address) = lower(NEW.address) AND address <> '' AND kind = 'address_confirmation'
           AND created_at > statement_timestamp() - interval '1 day';
        IF caller = NEW.user_id AND (sent >= 3 OR sent_for_account >= 2) THEN
            PERFORM refuse('address_asked_too_often');
        END IF;
        -- An account without a confirmed address gets no notice, and a command on the server has no limit.
        IF caller <> NEW.user_id
           AND EXISTS (SELECT FROM accounts_user WHERE id = NEW.user_id AND email_confirmed_at IS NOT NULL) AND (
    SELECT count(*) FROM accounts_mail WHERE user_id = NEW.user_id AND kind = 'address_notice'
       AND created_at > statement_timestamp() - interval '1 day') >= 3 THEN
            PERFORM refuse('address_told_too_often');
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.created_at <= statement_timestamp() - interval '7 days' THEN
        PERFORM refuse('address_change_expired');
    END IF;
    CASE address_objection(OLD.id)
        WHEN 'address_second_manager' THEN
            PERFORM refuse('address_second_manager');
        WHEN 'address_rests' THEN
            PERFORM refuse('address_rests');
        WHEN 'address_new_manager' THEN
            PERFORM refuse('address_new_manager');
        WHEN 'address_made_by_asker' THEN
            PERFORM refuse('address_made_by_asker');
        ELSE NULL;
    END CASE;
    NEW := OLD;
    NEW.confirmed_by_id := caller;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER address_change_rules
BEFORE INSERT OR UPDATE ON accounts_addresschange
FOR EACH ROW EXECUTE FUNCTION address_change_rules();
