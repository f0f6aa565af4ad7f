"""An address of an account changes once it is confirmed: by its owner, or by a second manager."""

from importlib import import_module

from django.db import migrations

from access.rules import immediate_foreign_keys, rules
from audit.recording import recorded

# News for managers: a mail lists what the one before didn't. What may let a manager into another account goes at
# once; the rest waits until a day after the last mail. A mail that a worker may write before this transaction ends leaves out
# what happens in it: each transaction has one of its own, and one that finds all told already isn't sent.
TELL_MANAGERS = """
CREATE FUNCTION tell_managers(at_once boolean) RETURNS void LANGUAGE sql VOLATILE AS $tell$
    INSERT INTO accounts_mail (kind, user_id, address, typed, created_at, due_at)
    SELECT 'account_news', manager.id, '', '', now(), CASE WHEN at_once THEN statement_timestamp() ELSE greatest(
               statement_timestamp(), (
                   SELECT max(sent_at) FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
               ) + interval '1 day') END
      FROM accounts_user AS manager
     WHERE manager.is_active AND (manager.role = 'management' OR manager.is_superuser)
       AND manager.email_confirmed_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
                          AND sent_at IS NULL AND given_up_at IS NULL AND attempts = 0
                          AND (created_at = now() AND (due_at <= statement_timestamp() OR NOT at_once)  -- our own
                               OR NOT at_once AND due_at > statement_timestamp() + interval '1 hour'))
$tell$;
"""

# Notices of addresses that were asked for: three a day. Another user than the owner asks for no fourth, so that none is silent.
NOTICES_OF_TODAY = """(
    SELECT count(*) FROM accounts_mail WHERE user_id = {account} AND kind = 'address_notice'
       AND created_at > statement_timestamp() - interval '1 day')"""

NOTICE = f"""
    INSERT INTO accounts_mail (kind, user_id, address, typed)
    SELECT 'address_notice', account.id, account.email, '' FROM accounts_user AS account
     WHERE account.id = {{account}} AND account.email_confirmed_at IS NOT NULL
       AND {NOTICES_OF_TODAY} < 3;
"""

# The old address learns of each change, however many there are: its owner, or a second manager, has agreed to each.
CHANGED = """
    INSERT INTO accounts_mail (kind, user_id, address, typed)
    SELECT 'address_changed', account.id, account.email, '' FROM accounts_user AS account
     WHERE account.id = {account} AND account.email <> ''
       AND (account.email_confirmed_at IS NOT NULL OR NOT account.is_claimed);  -- one who is invited, but hasn't come yet
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
        -- Whoever holds a stolen session doesn't know the password. Owners ask as the login role, which has checked it.
        IF OLD.is_claimed AND current_setting('eecrm.user_id', true) = NEW.id::text THEN
            PERFORM refuse('address_own',
                           'You change your own address with your password: on its page in the admin site, or at users/me/email/.');
        END IF;
        -- Who has none is told nothing any more, of another address neither.
        IF OLD.is_claimed AND NEW.is_active AND NEW.email = '' AND NOT policy_allows('user.promote') THEN
            PERFORM refuse('address_of_claimed',
                           'An account in use keeps an address: type another one, or deactivate it.');
        END IF;
        IF OLD.is_claimed AND NEW.email <> '' THEN
            IF NOT EXISTS (SELECT FROM accounts_addresschange WHERE user_id = NEW.id AND lower(address) = lower(NEW.email)
                              AND created_at > statement_timestamp() - interval '7 days') THEN
                DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
                INSERT INTO accounts_addresschange (user_id, address) VALUES (NEW.id, NEW.email);
            END IF;
            NEW.email := OLD.email;
        ELSE
            -- The invitation of a manager or auditor who hasn't come yet opens much to whoever gets it instead.
            IF OLD.is_claimed OR OLD.role IN ('management', 'auditor') OR OLD.is_superuser THEN
                {CHANGED.format(account="OLD.id")}
                PERFORM tell_managers(true);
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

# The rule by which a change may not be confirmed by the caller now; NULL where it may.
#
# A second manager is one that the first can't have made: active in this role, with this address and in use for seven days
# before the change was asked for, as the trail tells; and neither of the two made the other, gave them their role or their
# first way in, or made who did; nor did a third manager so with both, who might be both of them. Superusers are made by
# superusers alone, and no user acts in a command on the server.
OBJECTION = """
CREATE FUNCTION address_objection(its_id bigint) RETURNS text LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $objection$
DECLARE
    caller bigint := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    change accounts_addresschange;
BEGIN
    SELECT * INTO change FROM accounts_addresschange WHERE id = its_id;
    IF current_setting('role') = 'none' THEN  -- the owner's link
        RETURN CASE WHEN caller IS DISTINCT FROM change.user_id THEN 'address_second_manager' END;
    END IF;
    IF caller IS NULL AND policy_allows('user.promote') THEN
        RETURN NULL;
    END IF;
    IF caller IS NULL OR caller = change.user_id OR caller = change.asked_by_id THEN
        RETURN 'address_second_manager';
    END IF;
    IF change.created_at > statement_timestamp() - interval '1 day' THEN
        RETURN 'address_rests';
    END IF;
    IF (SELECT is_superuser FROM accounts_user WHERE id = caller) THEN
        RETURN NULL;
    END IF;
    IF (SELECT max(at) FROM audit.entry WHERE table_name = 'accounts_user' AND row_key = caller::text
           AND (operation = 'insert' OR new ?| ARRAY['role', 'is_superuser', 'is_active', 'is_claimed', 'email'])
       ) <= change.created_at - interval '7 days' IS NOT TRUE THEN
        RETURN 'address_new_manager';
    END IF;
    IF change.asked_by_id = ANY (account_makers(caller))
       OR change.asked_by_id <> change.user_id AND (
           caller = ANY (account_makers(change.asked_by_id)) OR EXISTS (
               SELECT FROM accounts_user WHERE NOT is_superuser
                   AND id = ANY (account_makers(caller)) AND id = ANY (account_makers(change.asked_by_id)))) THEN
        RETURN 'address_made_by_asker';
    END IF;
    RETURN NULL;
END
$objection$;
"""

MAKERS = """
CREATE FUNCTION account_makers(account bigint) RETURNS bigint[] LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $makers$
    WITH RECURSIVE maker (id) AS (
        SELECT account
        UNION
        SELECT entry.actor_id FROM maker JOIN audit.entry
            ON entry.table_name = 'accounts_user' AND entry.row_key = maker.id::text AND entry.actor_id IS NOT NULL
         WHERE entry.operation = 'insert' OR entry.new ?| ARRAY['role', 'is_superuser', 'is_claimed']
            OR entry.new ? 'email' AND NOT entry.new ? 'email_confirmed_at'  -- before the account was in use
    )
    SELECT array_agg(id) FROM maker WHERE id <> account
$makers$;
"""

CHANGE_RULES = f"""
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
        IF caller IS DISTINCT FROM NEW.user_id AND {NOTICES_OF_TODAY.format(account="NEW.user_id")} >= 3 THEN
            PERFORM refuse('address_told_too_often',
                           'The owner of this account was told of three other addresses within a day: try again tomorrow.');
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.created_at <= statement_timestamp() - interval '7 days' THEN
        PERFORM refuse('address_change_expired', 'An address is confirmed within 7 days: ask for it again.');
    END IF;
    CASE address_objection(OLD.id)
        WHEN 'address_second_manager' THEN
            PERFORM refuse('address_second_manager', 'Another manager than the one who asked for it confirms an address.');
        WHEN 'address_rests' THEN
            PERFORM refuse('address_rests',
                           'A manager confirms an address a day after it was asked for, so that its owner can object.');
        WHEN 'address_new_manager' THEN
            PERFORM refuse('address_new_manager',
                           'Only a manager of seven days, or a superuser, confirms an address that another one asked for.');
        WHEN 'address_made_by_asker' THEN
            PERFORM refuse('address_made_by_asker',
                           'One of these two managers made the account of the other, or a third one made both: ask another.');
        ELSE NULL;
    END CASE;
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
        PERFORM tell_managers(true);
    END IF;
    RETURN NULL;
END
"""

CHANGE_CONFIRMED = f"""
BEGIN
    {CHANGED.format(account="NEW.user_id")}
    UPDATE accounts_user SET email = NEW.address, email_confirmed_at = statement_timestamp() WHERE id = NEW.user_id;
    DELETE FROM accounts_addresschange WHERE id = NEW.id;
    IF NEW.confirmed_by_id IS DISTINCT FROM NEW.user_id THEN
        PERFORM tell_managers(true);
    END IF;
    RETURN NULL;
END
"""

# Whoever is invited again and again, or sent link after link by a colleague, gets five of them a day.
LINKS_NOT_TOO_OFTEN = """
BEGIN
    IF current_setting('role') <> 'none' AND NEW.kind IN ('invitation', 'password_reset') AND (
        SELECT count(*) FROM accounts_mail WHERE user_id = NEW.user_id AND kind IN ('invitation', 'password_reset')
           AND created_at > statement_timestamp() - interval '1 day') >= 5 THEN
        PERFORM refuse('links_too_often', 'This account was sent five links within a day: try again tomorrow.');
    END IF;
    RETURN NEW;
END
"""

# Display names are their owners' to choose, and managers learn of it. A username is what the trail calls somebody.
NAME_TOLD = """
BEGIN
    IF NEW.username <> OLD.username THEN
        PERFORM tell_managers(true);
    ELSIF current_setting('role') <> 'none' AND current_setting('eecrm.user_id', true) = NEW.id::text
       AND NEW.display_name <> OLD.display_name THEN
        PERFORM tell_managers(false);
    END IF;
    RETURN NULL;
END
"""

# Another account of a name that somebody had would log in, and be named in histories, as that person. One that was deleted may
# be made anew.
USERNAME_STAYS = """
BEGIN
    -- A newcomer's is made of their identity (enrol_identity).
    IF current_setting('role') <> 'none' AND EXISTS (
        SELECT FROM audit.entry AS earlier JOIN accounts_user AS its ON its.id::text = earlier.row_key
         WHERE table_name = 'accounts_user' AND earlier.new ? 'username' AND earlier.new ->> 'username' = NEW.username
           AND its.id <> NEW.id AND its.username <> NEW.username) THEN
        PERFORM refuse('username_was_anothers', 'Another account had this username before: choose one that nobody has had.');
    END IF;
    RETURN NEW;
END
"""

# A manager whom another user makes or unmakes is news, and no news reaches the account that was unmade any more: it is told that.
# What a command on the server does is the operator's own.
MANAGER_TOLD = """
DECLARE
    was_one boolean := TG_OP <> 'INSERT' AND OLD.is_active AND (OLD.role = 'management' OR OLD.is_superuser);
    is_one boolean := TG_OP <> 'DELETE' AND NEW.is_active AND (NEW.role = 'management' OR NEW.is_superuser);
BEGIN
    IF current_setting('eecrm.user_id', true) <> '' AND (was_one <> is_one OR is_one AND
           (OLD.role, OLD.is_superuser) IS DISTINCT FROM (NEW.role, NEW.is_superuser)) THEN
        PERFORM tell_managers(true);
        -- Of an account that is deleted nobody is left to tell.
        IF was_one AND NOT is_one AND TG_OP = 'UPDATE' AND OLD.email <> '' AND OLD.email_confirmed_at IS NOT NULL THEN
            INSERT INTO accounts_mail (kind, user_id, address, typed) VALUES ('manager_unmade', OLD.id, OLD.email, '');
        END IF;
    END IF;
    RETURN NULL;
END
"""

# Links that were sent before die with the deactivation: they name its time (`accounts.links`), or a change that is dropped.
DEACTIVATED = """
BEGIN
    IF OLD.is_active AND NOT NEW.is_active THEN
        NEW.deactivated_at := clock_timestamp();
        DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
    END IF;
    -- Else an account in use would keep none (`address_of_claimed`): its address is taken away while it is inactive.
    IF NEW.is_active AND NOT OLD.is_active AND NEW.is_claimed AND NEW.email = '' AND current_setting('role') <> 'none'
       AND NOT policy_allows('user.promote')
       AND NOT EXISTS (SELECT FROM accounts_externalidentity WHERE user_id = NEW.id) THEN
        PERFORM refuse('address_before_activity',
                       'An account that was in use has an address before it is active again: another manager confirms one.');
    END IF;
    RETURN NEW;
END
"""

# Its owner asked with a password, in a login. Where both are a thief's, the link that went to the thief takes no password: it
# ends with the logins of the account.
ENDED = """
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        DELETE FROM accounts_addresschange WHERE user_id = NEW.id AND asked_by_id = NEW.id;
    END IF;
    RETURN NULL;
END
"""

# A mail goes with its account: whoever deletes a manager's would leave nobody to tell.
UNMADE_FIRST = """
BEGIN
    IF current_setting('role') <> 'none' AND NOT policy_allows('user.promote') AND OLD.is_claimed AND (
        OLD.is_active AND OLD.role = 'management'
        OR EXISTS (SELECT FROM accounts_mail WHERE user_id = OLD.id AND kind = 'manager_unmade'
                      AND sent_at IS NULL AND given_up_at IS NULL)) THEN
        PERFORM refuse('manager_told_first',
                       'Deactivate a manager''s account before you delete it, and wait until its owner was told: a minute or so.');
    END IF;
    RETURN OLD;
END
"""

# It runs after `identity_rules` has locked the account: the triggers of an event run by name.
IDENTITY_UNCLAIMED = """
BEGIN
    IF current_setting('role') <> 'none' AND NOT policy_allows('user.promote')
       AND (SELECT is_claimed FROM accounts_user WHERE id = NEW.user_id) THEN
        PERFORM refuse('identity_of_claimed',
                       'This account is in use: a superuser binds it to an identity, or the command bind_identity on the server does.');
    END IF;
    RETURN NEW;
END
"""

# With no role entered, an account is made for a newcomer: no news. Of an account that is deleted nobody is left to tell.
IDENTITY_TOLD = """
BEGIN
    IF current_setting('role') <> 'none' THEN
        INSERT INTO accounts_mail (kind, user_id, address, typed)
        SELECT CASE TG_OP WHEN 'INSERT' THEN 'identity_bound' ELSE 'identity_removed' END, id, email, '' FROM accounts_user
         WHERE id = coalesce(NEW.user_id, OLD.user_id) AND email <> '' AND email_confirmed_at IS NOT NULL;
        PERFORM tell_managers(true);
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
        migrations.RunSQL(TELL_MANAGERS, "DROP FUNCTION tell_managers(boolean)"),
        migrations.RunSQL(MAKERS, "DROP FUNCTION account_makers(bigint)"),
        migrations.RunSQL(OBJECTION, "DROP FUNCTION address_objection(bigint)"),
        rules(
            "account_address",
            table="accounts_user",
            when="BEFORE INSERT OR UPDATE OF email, password, is_claimed",
            body=ACCOUNT_ADDRESS,
        ),
        rules("links_not_too_often", table="accounts_mail", when="BEFORE INSERT", body=LINKS_NOT_TOO_OFTEN),
        rules("username_stays", table="accounts_user", when="BEFORE INSERT OR UPDATE OF username", body=USERNAME_STAYS),
        rules(
            "account_name_told",
            table="accounts_user",
            when="AFTER UPDATE OF username, first_name, last_name",
            body=NAME_TOLD,
        ),
        rules("account_deactivated", table="accounts_user", when="BEFORE UPDATE OF is_active", body=DEACTIVATED),
        rules("address_ends_with_logins", table="accounts_user", when="AFTER UPDATE", body=ENDED),
        rules("manager_unmade_first", table="accounts_user", when="BEFORE DELETE", body=UNMADE_FIRST),
        rules(
            "manager_told",
            table="accounts_user",
            when="AFTER INSERT OR UPDATE OF role, is_superuser, is_active OR DELETE",
            body=MANAGER_TOLD,
        ),
        rules(
            "identity_unclaimed", table="accounts_externalidentity", when="BEFORE INSERT", body=IDENTITY_UNCLAIMED
        ),
        rules("identity_told", table="accounts_externalidentity", when="AFTER INSERT OR DELETE", body=IDENTITY_TOLD),
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
