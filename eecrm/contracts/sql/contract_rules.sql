-- The rules of contracts on insert, update and delete.
CREATE OR REPLACE FUNCTION contract_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.sales_contact_id <> OLD.sales_contact_id OR NEW.search IS NULL) THEN
        -- The client's sales contact or search words have changed: copy them, and keep all other columns.
        OLD.name_order := order_key(OLD.name);
        OLD.sales_contact_id := NEW.sales_contact_id;
        OLD.search := words_of(OLD.name) || (SELECT ts_filter(search, '{a,b}') FROM clients_client WHERE id = OLD.client_id);
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM require_restore('contract', 'contracts_contract', NEW.id);
        IF NOT policy_allows('contract.restore') THEN
            IF NEW.status <> 'draft' THEN
                PERFORM refuse('contract_starts_as_draft');
            END IF;
            NEW.signed_at := NULL;
            NEW.version := 1;
            NEW.created_at := statement_timestamp();
            NEW.updated_at := statement_timestamp();
        END IF;
        -- Without the lock, the client's contact or words could change at the same moment.
        SELECT sales_contact_id, words_of(NEW.name) || ts_filter(search, '{a,b}')
          INTO NEW.sales_contact_id, NEW.search
          FROM clients_client WHERE id = NEW.client_id AND status = 'client' FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('contract_needs_client');
        END IF;
        NEW.name_order := order_key(NEW.name);
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.status = 'signed' AND NOT policy_allows('contract.amend') THEN
            PERFORM refuse('contract_signed_stays');
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.client_id <> OLD.client_id THEN
        PERFORM refuse('contract_stays_with_client');
    END IF;
    IF OLD.status = 'signed' AND NEW.status <> 'signed' THEN
        IF NOT policy_allows('contract.reopen') THEN
            PERFORM refuse('contract_signed_stays_signed');
        END IF;
        IF coalesce(current_setting('eecrm.reason', true), '') = '' THEN
            PERFORM refuse('contract_reopen_needs_reason');
        END IF;
        NEW.signed_at := NULL;
    ELSIF OLD.status = 'signed' THEN
        IF NEW.amount <> OLD.amount AND NOT policy_allows('contract.amend') THEN
            PERFORM refuse('contract_signed_amount_frozen');
        END IF;
        NEW.signed_at := OLD.signed_at;
    ELSIF NEW.status = 'signed' THEN
        IF NOT policy_allows('contract.sign') THEN
            RAISE insufficient_privilege USING MESSAGE = 'Your role may not sign a contract.';
        END IF;
        NEW.signed_at := statement_timestamp();
    END IF;
    IF NEW.name <> OLD.name THEN
        NEW.name_order := order_key(NEW.name);
        NEW.search := words_of(NEW.name) || (SELECT ts_filter(search, '{a,b}') FROM clients_client WHERE id = NEW.client_id);
    END IF;
    NEW.version := OLD.version + 1;
    NEW.updated_at := statement_timestamp();
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER contract_rules
BEFORE INSERT OR DELETE OR UPDATE ON contracts_contract
FOR EACH ROW EXECUTE FUNCTION contract_rules();
