from django.db import migrations

from access.migration_operations import immediate_foreign_keys, rules

EVENT_RULES = """
BEGIN
    IF TG_OP <> 'INSERT' THEN
        IF OLD.status = 'closed' AND NOT policy_allows('event.reopen') THEN
            PERFORM refuse('event_closed_read_only', 'A closed event is read-only until management reopens it.');
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'created' AND NOT policy_allows('event.restore') THEN
            PERFORM refuse('event_starts_as_created', 'An event starts as created: move it on afterwards.');
        END IF;
        -- The lock makes a reopening of the contract at the same moment wait.
        PERFORM FROM contracts_contract WHERE id = NEW.contract_id AND status = 'signed' FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('event_needs_signed_contract', 'Sign the contract before planning its event.');
        END IF;
    ELSE
        IF OLD.status = 'in_progress' AND NEW.status = 'created' THEN
            PERFORM refuse('event_goes_one_way', 'An event goes from created over in progress to closed, one way.');
        END IF;
        IF NEW.contract_id <> OLD.contract_id THEN
            PERFORM refuse('event_stays_with_contract', 'An event stays under its contract.');
        END IF;
        NEW.version := OLD.version + 1;
        NEW.updated_at := statement_timestamp();
    END IF;
    IF NEW.support_contact_id IS NOT NULL
       AND (TG_OP = 'INSERT' OR NEW.support_contact_id IS DISTINCT FROM OLD.support_contact_id) THEN
        PERFORM FROM accounts_user WHERE id = NEW.support_contact_id AND role = 'support' AND is_active AND NOT is_superuser
            FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('event_support_contact_active', 'A support contact is an active support user.');
        END IF;
    END IF;
    RETURN NEW;
END
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial"), ("contracts", "0002_rules")]

    operations = [
        rules("event_rules", table="events_event", when="BEFORE INSERT OR UPDATE OR DELETE", body=EVENT_RULES),
        immediate_foreign_keys("events_event"),
    ]
