"""An event is reopened, and comes back when it was deleted, with a reason."""

from importlib import import_module

from django.db import migrations

from access.migration_operations import rewritten_rules
from audit.trail.recording import retired_keys, returning_key

EVENT_RULES = f"""
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
        {returning_key("events_event", noun="event")}
        IF NOT policy_allows('event.restore') THEN
            IF NEW.status <> 'created' THEN
                PERFORM refuse('event_starts_as_created', 'An event starts as created: move it on afterwards.');
            END IF;
            NEW.version := 1;
            NEW.created_at := statement_timestamp();
            NEW.updated_at := statement_timestamp();
        END IF;
        -- The lock makes a reopening of the contract at the same moment wait.
        PERFORM FROM contracts_contract WHERE id = NEW.contract_id AND status = 'signed' FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('event_needs_signed_contract', 'Sign the contract before planning its event.');
        END IF;
    ELSE
        IF OLD.status = 'closed' AND NEW.status <> 'closed' AND coalesce(current_setting('eecrm.reason', true), '') = '' THEN
            PERFORM refuse('event_reopen_needs_reason', 'Say why you reopen it.');
        END IF;
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

BEFORE = import_module("events.migrations.0002_rules").EVENT_RULES


class Migration(migrations.Migration):
    dependencies = [("events", "0003_trail")]

    operations = [
        rewritten_rules("event_rules", body=EVENT_RULES, before=BEFORE),
        retired_keys("events_event", noun="event"),
    ]
