-- The rules of clients on insert and update.
--
-- An insert with the key of a deleted row is a restore. Searching the trail for the key takes 7 µs.
-- Comparing the key with the sequence's newest value takes 0.5 µs, so ordinary new rows skip the search.
-- `client_key_retired` makes sure that the newest value is never the key of a deleted row.
CREATE OR REPLACE FUNCTION client_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.id IS DISTINCT FROM pg_sequence_last_value('clients_client_id_seq'::regclass) THEN
            IF EXISTS (SELECT FROM audit.entry
                        WHERE table_name = 'clients_client' AND row_key = NEW.id::text AND operation = 'delete') THEN
                IF NOT policy_allows('client.restore') THEN
                    RAISE insufficient_privilege USING MESSAGE = 'Your role may not restore this client.';
                END IF;
                IF coalesce(current_setting('eecrm.reason', true), '') = '' THEN
                    PERFORM refuse('client_restore_needs_reason');
                END IF;
            END IF;
        END IF;
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
