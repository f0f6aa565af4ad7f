from django.db import migrations

from access.migration_operations import immediate_foreign_keys, rules

CONTRACT_RULES = """
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'draft' AND NOT policy_allows('contract.restore') THEN
            PERFORM refuse('contract_starts_as_draft', 'A contract starts as a draft: sign it afterwards.');
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
        NEW.signed_at := NULL;
    ELSIF OLD.status = 'signed' THEN
        IF NEW.amount <> OLD.amount AND NOT policy_allows('contract.amend') THEN
            PERFORM refuse('contract_signed_amount_frozen', 'The amount of a signed contract is frozen.');
        END IF;
        NEW.signed_at := OLD.signed_at;
    ELSIF NEW.status = 'signed' THEN
        NEW.signed_at := statement_timestamp();
    END IF;
    NEW.version := OLD.version + 1;
    NEW.updated_at := statement_timestamp();
    RETURN NEW;
END
"""


class Migration(migrations.Migration):
    dependencies = [("contracts", "0001_initial"), ("clients", "0002_rules")]

    operations = [
        rules(
            "contract_rules", table="contracts_contract", when="BEFORE INSERT OR UPDATE OR DELETE", body=CONTRACT_RULES
        ),
        immediate_foreign_keys("contracts_contract"),
    ]
