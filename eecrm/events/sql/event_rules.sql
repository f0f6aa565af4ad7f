-- The rules of events on insert, update and delete.
CREATE OR REPLACE FUNCTION event_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.sales_contact_id <> OLD.sales_contact_id OR NEW.search IS NULL) THEN
        -- The contract's sales contact or search words have changed: copy them, and keep all other columns.
        OLD.name_order := order_key(OLD.name);
        OLD.sales_contact_id := NEW.sales_contact_id;
        OLD.search := words_of(OLD.name || ' ' || OLD.location)
            || (SELECT search FROM contracts_contract WHERE id = OLD.contract_id);
        RETURN OLD;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        IF OLD.status = 'closed' AND NOT policy_allows('event.reopen') THEN
            PERFORM refuse('event_closed_read_only');
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM require_restore('event', 'events_event', NEW.id);
        IF NOT policy_allows('event.restore') THEN
            IF NEW.status <> 'created' THEN
                PERFORM refuse('event_starts_as_created');
            END IF;
            NEW.version := 1;
            NEW.created_at := statement_timestamp();
            NEW.updated_at := statement_timestamp();
        END IF;
        -- Without the lock, the contract could be reopened at the same moment.
        SELECT sales_contact_id, words_of(NEW.name || ' ' || NEW.location) || search
          INTO NEW.sales_contact_id, NEW.search
          FROM contracts_contract WHERE id = NEW.contract_id AND status = 'signed' FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('event_needs_signed_contract');
        END IF;
        NEW.name_order := order_key(NEW.name);
    ELSE
        IF OLD.status = 'closed' AND NEW.status <> 'closed'
           AND coalesce(current_setting('eecrm.reason', true), '') = '' THEN
            PERFORM refuse('event_reopen_needs_reason');
        END IF;
        IF OLD.status = 'in_progress' AND NEW.status = 'created' THEN
            PERFORM refuse('event_goes_one_way');
        END IF;
        IF NEW.contract_id <> OLD.contract_id THEN
            PERFORM refuse('event_stays_with_contract');
        END IF;
        IF (NEW.name, NEW.location) <> (OLD.name, OLD.location) THEN
            NEW.name_order := order_key(NEW.name);
            NEW.search := words_of(NEW.name || ' ' || NEW.location)
                || (SELECT search FROM contracts_contract WHERE id = NEW.contract_id);
        END IF;
        NEW.version := OLD.version + 1;
        NEW.updated_at := statement_timestamp();
    END IF;
    IF NEW.support_contact_id IS NOT NULL
       AND (TG_OP = 'INSERT' OR NEW.support_contact_id IS DISTINCT FROM OLD.support_contact_id) THEN
        PERFORM FROM accounts_user
          WHERE id = NEW.support_contact_id AND role = 'support' AND is_active AND NOT is_superuser
            FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('event_support_contact_active');
        END IF;
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER event_rules
BEFORE INSERT OR DELETE OR UPDATE ON events_event
FOR EACH ROW EXECUTE FUNCTION event_rules();
