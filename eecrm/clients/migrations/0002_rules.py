from django.db import migrations

from access.migration_operations import immediate_foreign_keys, rules

CLIENT_RULES = """
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'prospect' AND NOT policy_allows('client.restore') THEN
            PERFORM refuse('client_starts_as_prospect', 'A client starts as a prospect: turn it into a client afterwards.');
        END IF;
    ELSE
        IF OLD.status = 'client' AND NEW.status = 'prospect' THEN
            PERFORM refuse('client_never_turns_back', 'A client never becomes a prospect again.');
        END IF;
        NEW.version := OLD.version + 1;
        NEW.updated_at := statement_timestamp();
    END IF;
    IF TG_OP = 'INSERT' OR NEW.sales_contact_id <> OLD.sales_contact_id THEN
        -- The lock makes a demotion at the same moment wait.
        PERFORM FROM accounts_user WHERE id = NEW.sales_contact_id AND role = 'sales' AND is_active AND NOT is_superuser
            FOR SHARE;
        IF NOT FOUND THEN
            PERFORM refuse('client_sales_contact_active', 'A sales contact is an active sales user.');
        END IF;
    END IF;
    RETURN NEW;
END
"""


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial"), ("accounts", "0002_rules")]

    operations = [
        rules("client_rules", table="clients_client", when="BEFORE INSERT OR UPDATE", body=CLIENT_RULES),
        immediate_foreign_keys("clients_client"),
    ]
