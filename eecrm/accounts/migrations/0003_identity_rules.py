from django.db import migrations, models
from django.db.migrations import RunSQL

from access.migration_operations import rules

# Who binds an identity to an account can be that account: a superuser's is a superuser's matter, as is the account itself.
IDENTITY_RULES = """
DECLARE
    guarded boolean;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.user_id, NEW.issuer, NEW.subject) IS DISTINCT FROM (OLD.user_id, OLD.issuer, OLD.subject) THEN
            PERFORM refuse('identity_stays', 'An identity stays as it is: take it away and bind another one.');
        END IF;
        NEW.not_before := greatest(NEW.not_before, OLD.not_before);  -- tokens that were ended stay ended
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- So that nobody gives the account a password at the same moment.
        PERFORM FROM accounts_user WHERE id = NEW.user_id FOR NO KEY UPDATE;
    END IF;
    SELECT is_superuser INTO guarded FROM accounts_user WHERE id = COALESCE(NEW.user_id, OLD.user_id);
    -- No role is entered while somebody logs in: then only enrol_identity can get here.
    IF guarded AND current_setting('role') <> 'none' AND NOT policy_allows('user.promote') THEN
        PERFORM refuse('user_superuser_guarded', 'Only a superuser binds an identity to a superuser, or takes it away.');
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- What was ended before an identity was taken away stays ended.
        IF EXISTS (SELECT FROM accounts_user WHERE id = NEW.user_id AND logins_ended > 0) THEN
            NEW.not_before := date_trunc('second', clock_timestamp());
        END IF;
        -- An unusable one too: a link that was sent before dies with it. A newcomer's has just been made.
        UPDATE accounts_user SET password = unusable_password()
         WHERE id = NEW.user_id AND (password NOT LIKE '!%' OR current_setting('role') <> 'none');
    END IF;
    RETURN COALESCE(NEW, OLD);
END
"""

PASSWORD_RULES = """
BEGIN
    IF NEW.password IS DISTINCT FROM OLD.password AND NEW.password NOT LIKE '!%'
       AND EXISTS (SELECT FROM accounts_externalidentity WHERE user_id = NEW.id) THEN
        PERFORM refuse('user_password_elsewhere',
                       'This account logs in with its identity provider: it has no password here.');
    END IF;
    RETURN NEW;
END
"""

# The provider goes on believing its tokens; here those issued until now are over.
END_IDENTITY_TOKENS = """
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        UPDATE accounts_externalidentity SET not_before = clock_timestamp() WHERE user_id = NEW.id;
    END IF;
    RETURN NULL;
END
"""

# As Django marks a password that nothing matches: the rest makes sure that no one-time link outlives it.
UNUSABLE = """
CREATE FUNCTION unusable_password() RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT '!' || replace(gen_random_uuid()::text, '-', '') $$;
"""

# The login role may make no account: it may call this, which makes one kind of account only. The name is a hash after
# `ext-`: everybody sees names, and the subject, which may be an address, is personal data.
ENROL = """
CREATE FUNCTION enrol_identity(its_issuer text, its_subject text) RETURNS bigint LANGUAGE plpgsql VOLATILE STRICT
SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $enrol$
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
$enrol$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_rules")]

    operations = [
        migrations.AddConstraint(
            model_name="externalidentity",
            constraint=models.CheckConstraint(
                name="external_identity_subject_ascii",
                condition=models.Q(subject__regex="^[!-~]+$"),
                violation_error_message="A subject is what the provider calls the account: letters, digits and signs, without spaces.",
            ),
        ),
        RunSQL(UNUSABLE, "DROP FUNCTION unusable_password()"),
        rules(
            "identity_rules",
            table="accounts_externalidentity",
            when="BEFORE INSERT OR UPDATE OR DELETE",
            body=IDENTITY_RULES,
        ),
        rules("account_password_rules", table="accounts_user", when="BEFORE UPDATE OF password", body=PASSWORD_RULES),
        rules("account_ends_identity_tokens", table="accounts_user", when="AFTER UPDATE", body=END_IDENTITY_TOKENS),
        RunSQL(ENROL, "DROP FUNCTION enrol_identity(text, text)"),
    ]
