"""Contracts have what their lists ask of the client, its sales contact and its words; and an index for each order
(docs/adr/0016)."""

from importlib import import_module

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from access.migration_operations import handed_down, rewritten_rules, rules
from audit.trail.recording import recorded_anew, returning_key

# As `api.resources.search.SearchDocument` has them, which makes those of the client.
WORDS_OF = """
CREATE FUNCTION words_of(names text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $words$
    SELECT setweight(to_tsvector('simple', translate(names, $$@._-+/&'’,;:()"$$, repeat(' ', 15))), 'A')
$words$;
"""

# Nobody changes anything: the contracts had it by way of their clients.
FILL = """
ALTER TABLE contracts_contract DISABLE TRIGGER USER;
UPDATE contracts_contract SET sales_contact_id = client.sales_contact_id, search = words_of(name) || client.search
  FROM clients_client AS client WHERE client.id = client_id;
ALTER TABLE contracts_contract ENABLE TRIGGER USER;
"""

CONTRACT_RULES = f"""
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.sales_contact_id <> OLD.sales_contact_id OR NEW.search IS NULL) THEN
        -- The client hands down its contact, or its words: the contract itself doesn't change.
        OLD.sales_contact_id := NEW.sales_contact_id;
        OLD.search := words_of(OLD.name) || (SELECT search FROM clients_client WHERE id = OLD.client_id);
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        {returning_key("contracts_contract", noun="contract")}
        IF NOT policy_allows('contract.restore') THEN
            IF NEW.status <> 'draft' THEN
                PERFORM refuse('contract_starts_as_draft', 'A contract starts as a draft: sign it afterwards.');
            END IF;
            NEW.signed_at := NULL;
            NEW.version := 1;
            NEW.created_at := statement_timestamp();
            NEW.updated_at := statement_timestamp();
        END IF;
        -- The lock makes a change of the client at the same moment wait.
        SELECT sales_contact_id, words_of(NEW.name) || search INTO NEW.sales_contact_id, NEW.search
          FROM clients_client WHERE id = NEW.client_id AND status = 'client' FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('contract_needs_client', 'Turn the prospect into a client before making its contract.');
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.status = 'signed' AND NOT policy_allows('contract.amend') THEN
            PERFORM refuse('contract_signed_stays', 'A signed contract can''t be deleted, except by management.');
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.client_id <> OLD.client_id THEN
        PERFORM refuse('contract_stays_with_client', 'A contract stays with its client.');
    END IF;
    IF OLD.status = 'signed' AND NEW.status <> 'signed' THEN
        IF NOT policy_allows('contract.reopen') THEN
            PERFORM refuse('contract_signed_stays_signed', 'Only management reopens a signed contract.');
        END IF;
        IF coalesce(current_setting('eecrm.reason', true), '') = '' THEN
            PERFORM refuse('contract_reopen_needs_reason', 'Say why you reopen it.');
        END IF;
        NEW.signed_at := NULL;
    ELSIF OLD.status = 'signed' THEN
        IF NEW.amount <> OLD.amount AND NOT policy_allows('contract.amend') THEN
            PERFORM refuse('contract_signed_amount_frozen', 'The amount of a signed contract is frozen.');
        END IF;
        NEW.signed_at := OLD.signed_at;
    ELSIF NEW.status = 'signed' THEN
        IF NOT policy_allows('contract.sign') THEN
            RAISE insufficient_privilege USING MESSAGE = 'Your role may not sign a contract.';
        END IF;
        NEW.signed_at := statement_timestamp();
    END IF;
    IF NEW.name <> OLD.name THEN
        NEW.search := words_of(NEW.name) || (SELECT search FROM clients_client WHERE id = NEW.client_id);
    END IF;
    NEW.version := OLD.version + 1;
    NEW.updated_at := statement_timestamp();
    RETURN NEW;
END
"""

# A null asks the rules of contracts for the words.
CLIENT_WORDS = """
BEGIN
    IF NEW.search <> OLD.search THEN
        UPDATE contracts_contract SET search = NULL WHERE client_id = NEW.id;
    END IF;
    RETURN NULL;
END
"""

BEFORE = import_module("contracts.migrations.0004_reasons").CONTRACT_RULES


class Migration(migrations.Migration):
    dependencies = [("contracts", "0004_reasons"), ("clients", "0005_lists")]

    operations = [
        migrations.RunSQL(WORDS_OF, "DROP FUNCTION words_of(text)"),
        migrations.RemoveIndex("contract", "contract_search"),
        migrations.RemoveField("contract", "search"),
        migrations.AddField(
            "contract",
            "search",
            django.contrib.postgres.search.SearchVectorField(default="", editable=False),
            preserve_default=False,
        ),
        migrations.AddField(
            "contract",
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
        handed_down("sales_contact_id", table="contracts_contract", key="client_id", parent="clients_client"),
        rewritten_rules("contract_rules", body=CONTRACT_RULES, before=BEFORE),
        rules(
            "client_hands_down_words",
            table="clients_client",
            when="AFTER UPDATE OF company_name, first_name, last_name, email",
            body=CLIENT_WORDS,
        ),
        recorded_anew("contracts_contract", no_news=("search", "sales_contact_id"), before=("search",)),
        migrations.AddIndex(
            "contract", django.contrib.postgres.indexes.GinIndex(models.F("search"), name="contract_search")
        ),
        migrations.AddIndex(
            "contract", models.Index(models.F("created_at"), models.F("id"), name="contract_created_at")
        ),
        migrations.AddIndex("contract", models.Index(models.F("name"), models.F("id"), name="contract_name")),
        migrations.AddIndex("contract", models.Index(models.F("amount"), models.F("id"), name="contract_amount")),
        migrations.AddIndex(
            "contract",
            models.Index(
                models.F("id"),
                models.F("created_at"),
                models.F("updated_at"),
                models.F("payment_due"),
                models.F("amount"),
                models.F("status"),
                name="contract_list",
            ),
        ),
        migrations.AddConstraint(
            "contract", models.UniqueConstraint(fields=("sales_contact", "id"), name="contract_sales_contact")
        ),
    ]
