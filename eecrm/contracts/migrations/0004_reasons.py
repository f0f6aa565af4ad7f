"""A contract is reopened, and comes back when it was deleted, with a reason; only who may sign it signs it."""

from importlib import import_module

from django.db import migrations

from access.migration_operations import rewritten_rules
from audit.trail.recording import retired_keys, returning_key

CONTRACT_RULES = f"""
BEGIN
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
        PERFORM FROM clients_client WHERE id = NEW.client_id AND status = 'client' FOR SHARE;
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
    NEW.version := OLD.version + 1;
    NEW.updated_at := statement_timestamp();
    RETURN NEW;
END
"""

BEFORE = import_module("contracts.migrations.0002_rules").CONTRACT_RULES


class Migration(migrations.Migration):
    dependencies = [("contracts", "0003_trail")]

    operations = [
        rewritten_rules("contract_rules", body=CONTRACT_RULES, before=BEFORE),
        retired_keys("contracts_contract", noun="contract"),
    ]
