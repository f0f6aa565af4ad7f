-- The search words of names. Names have weight A, email addresses B, telephone numbers C.
-- B and C are personal data. Contracts and events have their client's words of weight A and B.
CREATE OR REPLACE FUNCTION words_of(names text, weight text DEFAULT 'A') RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
BEGIN
    RETURN (
        SELECT coalesce(string_agg(concat(word, ':1', weight), ' '), '')
          FROM unnest(tokens_of(names)) AS token, unnest(words_of_token(token)) AS word
    )::tsvector;
END
$function$;
