"""A deleted client comes back with a reason; what the record says of a new one isn't for its maker to choose."""

from importlib import import_module

from django.db import migrations

from access.migration_operations import rewritten_rules
from audit.trail.recording import retired_keys, returning_key

CLIENT_RULES = f"""
BEGIN
    IF TG_OP = 'INSERT' THEN
        {returning_key("clients_client", noun="client")}
        IF NOT policy_allows('client.restore') THEN
            IF NEW.status <> 'prospect' THEN
                PERFORM refuse('client_starts_as_prospect', 'A client starts as a prospect: turn it into a client afterwards.');
            END IF;
            NEW.version := 1;
            NEW.created_at := statement_timestamp();
            NEW.updated_at := statement_timestamp();
        END IF;
        IF NEW.account_id IS NOT NULL AND NOT policy_allows('client.assign') THEN
            RAISE insufficient_privilege USING MESSAGE = 'Your role may not link an account to a client.';
        END IF;
    ELSE
        IF NEW.account_id IS DISTINCT FROM OLD.account_id AND NOT policy_allows('client.assign') THEN
            RAISE insufficient_privilege USING MESSAGE = 'Your role may not link an account to a client.';
        END IF;
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

BEFORE = import_module("clients.migrations.0002_rules").CLIENT_RULES


class Migration(migrations.Migration):
    dependencies = [("clients", "0003_trail")]

    operations = [
        rewritten_rules("client_rules", body=CLIENT_RULES, before=BEFORE),
        retired_keys("clients_client", noun="client"),
    ]
