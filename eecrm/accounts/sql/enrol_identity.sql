-- The login role may make no account: it may call this, which makes one kind of account only. The name is a hash after
-- `ext-`: everybody sees names, and the subject, which may be an address, is personal data.
CREATE OR REPLACE FUNCTION enrol_identity(its_issuer text, its_subject text) RETURNS bigint
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE account bigint;
        hash text := encode(sha256(convert_to(its_issuer || ' ' || its_subject, 'UTF8')), 'hex');
BEGIN
    IF current_setting('role') <> 'none' THEN
        RAISE insufficient_privilege USING MESSAGE = 'Only the login role itself may do this, before it enters another.';
    END IF;
    -- Two requests of one newcomer take turns; the second one finds what the first one made.
    PERFORM pg_advisory_xact_lock(hashtext('enrol_identity'), hashtext(hash));
    -- Or there is an account that was made so, and from which the identity was taken away.
    IF EXISTS (SELECT FROM accounts_externalidentity WHERE issuer = its_issuer AND subject = its_subject)
       OR EXISTS (SELECT FROM accounts_user WHERE username = 'ext-' || left(hash, 16)) THEN
        RETURN NULL;
    END IF;
    INSERT INTO accounts_user (username, password, role, is_superuser, first_name, last_name, email, job_title, mobile)
    VALUES ('ext-' || left(hash, 16), unusable_password(), 'external', false, '', '', '', '', '')
    RETURNING id INTO account;
    INSERT INTO accounts_externalidentity (user_id, issuer, subject) VALUES (account, its_issuer, its_subject);
    RETURN account;
END
$function$;
