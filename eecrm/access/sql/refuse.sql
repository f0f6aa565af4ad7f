-- Refuses a statement by a rule of state. `state_rules.py` of the apps declares each rule with its sentence.
CREATE OR REPLACE FUNCTION refuse(rule text) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = rule, MESSAGE = rule;
END
$function$;
