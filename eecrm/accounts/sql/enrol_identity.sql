-- Creates an external account for an identity of the provider. Returns its key; NULL if identity or username exist.
-- PostgreSQL's login role (`eecrm_app`) may not insert accounts. It may call this function, which makes only this kind.
-- The username is `ext-` and a hash. It doesn't contain the subject, which may be an email address, because all users
-- see usernames.
CREATE OR REPLACE FUNCTION enrol_identity(its_issuer text, its_subject text) RETURNS bigint
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE account bigint;
        hash text := encode(sha256(convert_to(its_issuer || ' ' || its_subject, 'UTF8')), 'hex');
BEGIN
    IF current_setting('role') <> 'none' THEN
        RAISE insufficient_privilege USING MESSAGE = 'Only the login role itself may do this, before it enters another.';
    END IF;
    -- Two concurrent requests with one identity run one after the other. The second finds the account of the first.
    PERFORM pg_advisory_xact_lock(hashtext('enrol_identity'), hashtext(hash));
    -- The other conditions: the account exists, perhaps with another username, but its identity was removed.
    IF EXISTS (SELECT FROM accounts_externalidentity WHERE issuer = its_issuer AND subject = its_subject)
       OR EXISTS (SELECT FROM accounts_user WHERE username = 'ext-' || left(hash, 16))
       OR was_username_of_another('ext-' || left(hash, 16), 0) THEN
        RETURN NULL;
    END IF;
    INSERT INTO accounts_user (username, password, role, is_superuser, first_name, last_name, email, job_title, mobile)
    VALUES ('ext-' || left(hash, 16), unusable_password(), 'external', false, '', '', '', '', '')
    RETURNING id INTO account;
    INSERT INTO accounts_externalidentity (user_id, issuer, subject) VALUES (account, its_issuer, its_subject);
    RETURN account;
END
$function$;
