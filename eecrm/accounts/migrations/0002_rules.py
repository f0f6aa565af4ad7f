from django.db import migrations

from access.migration_operations import immediate_foreign_keys, refuse_function, rules

ACCOUNT_RULES = """
BEGIN
    -- No role is entered while somebody logs in; the login role's grants reach the login's own columns only.
    IF current_setting('role') = 'none' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF (OLD.is_superuser OR NEW.is_superuser) AND NOT policy_allows('user.promote') THEN
        PERFORM refuse('user_superuser_guarded', 'Only a superuser creates, changes or deletes a superuser.');
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.id::text = current_setting('eecrm.user_id', true) THEN
        IF TG_OP = 'DELETE' THEN
            PERFORM refuse('user_not_oneself', 'Nobody deletes their own account.');
        ELSIF NEW.role <> OLD.role OR NEW.is_superuser <> OLD.is_superuser OR NEW.is_active <> OLD.is_active THEN
            PERFORM refuse('user_not_oneself', 'Nobody changes their own role, status or activity.');
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.role = 'management' AND OLD.is_active AND NOT OLD.is_superuser
       AND (TG_OP = 'DELETE' OR NEW.role <> 'management' OR NOT NEW.is_active) THEN
        -- Two managers who demote each other at the same moment take turns; the second one then looks anew.
        PERFORM pg_advisory_xact_lock(hashtext('the last active manager'));
        IF NOT EXISTS (SELECT FROM accounts_user
                        WHERE role = 'management' AND is_active AND NOT is_superuser AND id <> OLD.id) THEN
            PERFORM refuse('user_last_manager', 'The last active manager stays: make somebody else a manager first.');
        END IF;
    END IF;
    RETURN COALESCE(NEW, OLD);
END
"""

# Sessions of the site hold the number, and end with it: what is changed and changed back ends them too.
COUNT_ENDINGS = """
BEGIN
    NEW.logins_ended := OLD.logins_ended + (
        (NEW.password, NEW.role, NEW.is_active, NEW.is_superuser, NEW.logins_ended)
        IS DISTINCT FROM (OLD.password, OLD.role, OLD.is_active, OLD.is_superuser, OLD.logins_ended))::integer;
    RETURN NEW;
END
"""

END_SESSIONS = """
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        UPDATE accounts_tokensession SET revoked_at = now() WHERE user_id = NEW.id AND revoked_at IS NULL;
    END IF;
    RETURN NULL;
END
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        refuse_function(),
        rules("account_rules", table="accounts_user", when="BEFORE INSERT OR UPDATE OR DELETE", body=ACCOUNT_RULES),
        rules(
            "account_counts_endings",
            table="accounts_user",
            when="BEFORE UPDATE OF password, role, is_active, is_superuser, logins_ended",
            body=COUNT_ENDINGS,
        ),
        rules("account_ends_sessions", table="accounts_user", when="AFTER UPDATE", body=END_SESSIONS),
        # Logins go with their account; what an account did in the admin site stays on record, and so does the account.
        immediate_foreign_keys(
            "accounts_tokensession",
            "accounts_externalidentity",
            "accounts_mail",
            "accounts_user_groups",
            "accounts_user_user_permissions",
            cascade=True,
        ),
        immediate_foreign_keys("django_admin_log"),
    ]
