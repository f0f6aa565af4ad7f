"""An address of an account changes once it is confirmed: by its owner, or by a second manager."""

from importlib import import_module

from django.db import migrations

from access.rules import immediate_foreign_keys, rules
from audit.recording import recorded

# What managers are told: at most a mail a day, which lists what happened since the one before. One that a worker has begun
# to write may leave out what happens now.
TELL_MANAGERS = """
CREATE FUNCTION tell_managers() RETURNS void LANGUAGE sql VOLATILE AS $tell$
    INSERT INTO accounts_mail (kind, user_id, address, typed, due_at)
    SELECT 'account_news', manager.id, '', '', greatest(statement_timestamp(), (
               SELECT max(sent_at) FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
           ) + interval '1 day')
      FROM accounts_user AS manager
     WHERE manager.is_active AND (manager.role = 'management' OR manager.is_superuser)
       AND manager.email_confirmed_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
                          AND sent_at IS NULL AND given_up_at IS NULL AND attempts = 0)
$tell$;
"""

NOTICE = """
    INSERT INTO accounts_mail (kind, user_id, address, typed)
    SELECT 'address_notice', account.id, account.email, '' FROM accounts_user AS account
     WHERE account.id = {account} AND account.email_confirmed_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM accounts_mail WHERE user_id = {account} AND kind = 'address_notice'
                          AND created_at > statement_timestamp() - interval '1 day');
"""

ACCOUNT_ADDRESS = f"""
DECLARE
    has_password boolean := NEW.password NOT LIKE '!%';
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.is_claimed := has_password;
        NEW.email_confirmed_at := CASE WHEN has_password AND NEW.email <> '' THEN statement_timestamp() END;
        RETURN NEW;
    END IF;
    -- No role: no such role may write an address, but the migrator. Deeper: a change that is confirmed.
    IF lower(NEW.email) <> lower(OLD.email) AND current_setting('role') <> 'none' AND pg_trigger_depth() = 1 THEN
        IF OLD.is_claimed AND NEW.email <> '' THEN
            IF NOT EXISTS (SELECT FROM accounts_addresschange WHERE user_id = NEW.id AND lower(address) = lower(NEW.email)
                              AND created_at > statement_timestamp() - interval '7 days') THEN
                DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
                INSERT INTO accounts_addresschange (user_id, address) VALUES (NEW.id, NEW.email);
            END IF;
            NEW.email := OLD.email;
        ELSE
            IF OLD.is_claimed THEN
                {NOTICE.format(account="OLD.id")}
                PERFORM tell_managers();
                DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
            END IF;
            NEW.email_confirmed_at := NULL;
        END IF;
    END IF;
    -- It came by the invitation that went to this address, or from the server's operator.
    IF has_password AND NOT OLD.is_claimed AND NEW.email <> '' THEN
        NEW.email_confirmed_at := statement_timestamp();
    END IF;
    NEW.is_claimed := OLD.is_claimed OR NEW.is_claimed OR has_password;
    RETURN NEW;
END
"""

CHANGE_RULES = """
DECLARE
    caller bigint := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    sent bigint;
    sent_for_account bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.asked_by_id := caller;
        NEW.confirmed_by_id := NULL;
        NEW.created_at := statement_timestamp();
        -- Two that ask for one address at the same moment take turns.
        PERFORM pg_advisory_xact_lock(hashtext('address_confirmation'), hashtext(lower(NEW.address)));
        -- One account leaves a link to the others: alone it keeps nobody from confirming an address.
        SELECT count(*), count(*) FILTER (WHERE user_id = NEW.user_id) INTO sent, sent_for_account FROM accounts_mail
         WHERE lower(address) = lower(NEW.address) AND address <> '' AND kind = 'address_confirmation'
           AND created_at > statement_timestamp() - interval '1 day';
        IF sent >= 3 OR sent_for_account >= 2 THEN
            PERFORM refuse('address_asked_too_often', 'This address was sent several links within a day: try again tomorrow.');
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.created_at <= statement_timestamp() - interval '7 days' THEN
        PERFORM refuse('address_change_expired', 'An address is confirmed within 7 days: ask for it again.');
    END IF;
    IF caller IS NULL OR current_setting('role') = 'none' AND caller <> OLD.user_id
       OR current_setting('role') <> 'none' AND caller IN (OLD.user_id, OLD.asked_by_id) THEN
        PERFORM refuse('address_second_manager', 'Another manager than the one who asked for it confirms an address.');
    END IF;
    NEW := OLD;
    NEW.confirmed_by_id := caller;
    RETURN NEW;
END
"""

# Without a password its owner can't confirm it: a second manager does.
CHANGE_ASKED = f"""
BEGIN
    INSERT INTO accounts_mail (kind, user_id, address, typed)
    SELECT 'address_confirmation', id, NEW.address, '' FROM accounts_user
     WHERE id = NEW.user_id AND password NOT LIKE '!%';
    {NOTICE.format(account="NEW.user_id")}
    IF NEW.asked_by_id IS DISTINCT FROM NEW.user_id THEN
        PERFORM tell_managers();
    END IF;
    RETURN NULL;
END
"""

CHANGE_CONFIRMED = """
BEGIN
    UPDATE accounts_user SET email = NEW.address, email_confirmed_at = statement_timestamp() WHERE id = NEW.user_id;
    DELETE FROM accounts_addresschange WHERE id = NEW.id;
    IF NEW.confirmed_by_id <> NEW.user_id THEN
        PERFORM tell_managers();
    END IF;
    RETURN NULL;
END
"""

# Display names are their owners' to choose, and managers learn of it.
NAME_TOLD = """
BEGIN
    IF current_setting('role') <> 'none' AND current_setting('eecrm.user_id', true) = NEW.id::text
       AND NEW.display_name <> OLD.display_name THEN
        PERFORM tell_managers();
    END IF;
    RETURN NULL;
END
"""

CLAIMED_BY_IDENTITY = """
BEGIN
    UPDATE accounts_user SET is_claimed = true WHERE id = NEW.user_id AND NOT is_claimed;
    RETURN NULL;
END
"""

_before = import_module("accounts.migrations.0006_password_rules")
_TELL = rules("account_tells_old_address", table="accounts_user", when="AFTER UPDATE OF email", body=_before.TELL)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_addresses")]

    operations = [
        migrations.RunSQL(_TELL.reverse_sql, _TELL.sql),
        immediate_foreign_keys("accounts_addresschange", cascade=True),
        recorded("accounts_addresschange"),
        migrations.RunSQL(TELL_MANAGERS, "DROP FUNCTION tell_managers()"),
        rules(
            "account_address",
            table="accounts_user",
            when="BEFORE INSERT OR UPDATE OF email, password, is_claimed",
            body=ACCOUNT_ADDRESS,
        ),
        rules("account_name_told", table="accounts_user", when="AFTER UPDATE OF first_name, last_name", body=NAME_TOLD),
        rules(
            "identity_claims", table="accounts_externalidentity", when="AFTER INSERT", body=CLAIMED_BY_IDENTITY
        ),
        rules(
            "address_change_rules",
            table="accounts_addresschange",
            when="BEFORE INSERT OR UPDATE",
            body=CHANGE_RULES,
        ),
        rules("address_change_asked", table="accounts_addresschange", when="AFTER INSERT", body=CHANGE_ASKED),
        rules(
            "address_change_confirmed",
            table="accounts_addresschange",
            when="AFTER UPDATE OF confirmed_by_id",
            body=CHANGE_CONFIRMED,
        ),
    ]
