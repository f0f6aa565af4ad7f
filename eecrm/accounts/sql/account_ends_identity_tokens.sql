-- When an account's logins end, its tokens of the identity provider issued until now are refused. The provider can't
-- revoke them.
CREATE OR REPLACE FUNCTION account_ends_identity_tokens() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        UPDATE accounts_externalidentity SET not_before = clock_timestamp() WHERE user_id = NEW.id;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER account_ends_identity_tokens
AFTER UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_ends_identity_tokens();
