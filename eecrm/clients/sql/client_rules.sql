-- The rules of clients on insert and update.
CREATE OR REPLACE FUNCTION client_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    is_folded_again boolean := TG_OP = 'UPDATE' AND NEW.search IS NULL;
BEGIN
    IF is_folded_again THEN
        -- The functions that fold text have changed: make the words and order keys again, and keep all other columns.
        NEW := OLD;
    END IF;
    IF TG_OP = 'INSERT' OR is_folded_again
       OR (NEW.company_name, NEW.first_name, NEW.last_name, NEW.email, NEW.phone, NEW.mobile)
          <> (OLD.company_name, OLD.first_name, OLD.last_name, OLD.email, OLD.phone, OLD.mobile) THEN
        NEW.company_name_order := order_key(NEW.company_name);
        NEW.last_name_order := order_key(NEW.last_name);
        NEW.search := words_of(NEW.company_name) || words_of(concat(NEW.first_name, ' ', NEW.last_name))
            || words_of(NEW.email, 'B') || phone_word(NEW.phone) || phone_word(NEW.mobile);
    END IF;
    IF is_folded_again THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM require_restore('client', 'clients_client', NEW.id);
        IF NOT policy_allows('client.restore') THEN
            IF NEW.status <> 'prospect' THEN
                PERFORM refuse('client_starts_as_prospect');
            END IF;
            NEW.version := 1;
            NEW.created_at := statement_timestamp();
            NEW.updated_at := statement_timestamp();
        END IF;
        IF NEW.account_id IS NOT NULL AND NOT policy_allows('client.assign') THEN
            RAISE insufficient_privilege USING MESSAGE = 'Your role may not link an account to a client.';
        END IF;
    ELSE
        IF NEW.account_id IS DISTINCT FROM OLD.account_id AND NOT policy_allows('client.assign') THEN
            RAISE insufficient_privilege USING MESSAGE = 'Your role may not link an account to a client.';
        END IF;
        IF OLD.status = 'client' AND NEW.status = 'prospect' THEN
            PERFORM refuse('client_never_turns_back');
        END IF;
        NEW.version := OLD.version + 1;
        NEW.updated_at := statement_timestamp();
    END IF;
    IF TG_OP = 'INSERT' OR NEW.sales_contact_id <> OLD.sales_contact_id THEN
        -- Without the lock, the contact could lose the role sales at the same moment.
        PERFORM FROM accounts_user WHERE id = NEW.sales_contact_id AND role = 'sales' AND is_active AND NOT is_superuser
            FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('client_sales_contact_active');
        END IF;
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER client_rules
BEFORE INSERT OR UPDATE ON clients_client
FOR EACH ROW EXECUTE FUNCTION client_rules();
