-- Trigger that writes changes of this table to the audit trail.
-- Its arguments: columns whose changes aren't recorded, and columns whose values are secret.
CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON clients_client
FOR EACH ROW EXECUTE FUNCTION audit.record('{search,company_name_order,last_name_order}', '{}');
