-- Counts an account as in use (`is_claimed`) once it has an identity at the provider.
CREATE OR REPLACE FUNCTION identity_claims() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    UPDATE accounts_user SET is_claimed = true WHERE id = NEW.user_id AND NOT is_claimed;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER identity_claims
AFTER INSERT ON accounts_externalidentity
FOR EACH ROW EXECUTE FUNCTION identity_claims();
