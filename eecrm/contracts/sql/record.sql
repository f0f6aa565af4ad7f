-- Trigger that writes changes of this table to the audit trail.
-- Its arguments: columns whose changes aren't recorded, and columns whose values are secret.
CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON contracts_contract
FOR EACH ROW EXECUTE FUNCTION audit.record('{search,name_order,sales_contact_id}', '{}');
