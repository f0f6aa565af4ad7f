"""Events have what their lists ask of the client, as their contracts do; and an index for each order (docs/adr/0016)."""

from importlib import import_module

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from access.migration_operations import handed_down, rewritten_rules, rules
from audit.trail.recording import recorded_anew, returning_key

# Nobody changes anything: the events had it by way of their contracts.
FILL = """
ALTER TABLE events_event DISABLE TRIGGER USER;
UPDATE events_event SET sales_contact_id = contract.sales_contact_id,
                        search = words_of(events_event.name || ' ' || location) || contract.search
  FROM contracts_contract AS contract WHERE contract.id = contract_id;
ALTER TABLE events_event ENABLE TRIGGER USER;
"""

EVENT_RULES = f"""
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.sales_contact_id <> OLD.sales_contact_id OR NEW.search IS NULL) THEN
        -- Handed down, as to contracts.
        OLD.sales_contact_id := NEW.sales_contact_id;
        OLD.search := words_of(OLD.name || ' ' || OLD.location) || (SELECT search FROM contracts_contract WHERE id = OLD.contract_id);
        RETURN OLD;
    END IF;
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
        SELECT sales_contact_id, words_of(NEW.name || ' ' || NEW.location) || search INTO NEW.sales_contact_id, NEW.search
          FROM contracts_contract WHERE id = NEW.contract_id AND status = 'signed' FOR SHARE;
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
        IF (NEW.name, NEW.location) <> (OLD.name, OLD.location) THEN
            NEW.search := words_of(NEW.name || ' ' || NEW.location)
                || (SELECT search FROM contracts_contract WHERE id = NEW.contract_id);
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

# A null asks the rules of events for the words.
CONTRACT_WORDS = """
BEGIN
    IF NEW.search <> OLD.search THEN
        UPDATE events_event SET search = NULL WHERE contract_id = NEW.id;
    END IF;
    RETURN NULL;
END
"""

BEFORE = import_module("events.migrations.0004_reasons").EVENT_RULES


class Migration(migrations.Migration):
    dependencies = [("events", "0005_sync"), ("contracts", "0005_lists")]

    operations = [
        migrations.RemoveIndex("event", "event_search"),
        migrations.RemoveField("event", "search"),
        migrations.AddField(
            "event",
            "search",
            django.contrib.postgres.search.SearchVectorField(default="", editable=False),
            preserve_default=False,
        ),
        migrations.AddField(
            "event",
            "sales_contact",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                db_constraint=False,
                db_index=False,
                default=0,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        handed_down("sales_contact_id", table="events_event", key="contract_id", parent="contracts_contract"),
        rewritten_rules("event_rules", body=EVENT_RULES, before=BEFORE),
        rules(
            "contract_hands_down_words",
            table="contracts_contract",
            when="AFTER UPDATE OF name, search",
            body=CONTRACT_WORDS,
        ),
        recorded_anew("events_event", no_news=("search", "sales_contact_id"), before=("search",)),
        migrations.AddIndex("event", django.contrib.postgres.indexes.GinIndex(models.F("search"), name="event_search")),
        migrations.AddIndex(
            "event",
            models.Index(models.F("id"), condition=models.Q(("support_contact", None)), name="event_unassigned"),
        ),
        migrations.AddIndex("event", models.Index(models.F("created_at"), models.F("id"), name="event_created_at")),
        migrations.AddIndex("event", models.Index(models.F("name"), models.F("id"), name="event_name")),
        migrations.AddIndex("event", models.Index(models.F("attendees"), models.F("id"), name="event_attendees")),
        migrations.AddIndex(
            "event",
            models.Index(
                models.F("id"),
                models.F("created_at"),
                models.F("updated_at"),
                models.F("starts_at"),
                models.F("status"),
                name="event_list",
            ),
        ),
        migrations.AddIndex(
            "event", models.Index(models.F("sales_contact"), models.F("id"), name="event_sales_contact")
        ),
    ]
