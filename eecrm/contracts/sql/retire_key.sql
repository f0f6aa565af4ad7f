CREATE OR REPLACE TRIGGER contract_key_retired
BEFORE DELETE ON contracts_contract
FOR EACH ROW EXECUTE FUNCTION retire_key();
