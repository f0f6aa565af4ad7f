-- Search words of a contract's or event's names, with weight A.
-- They are split as in `api.resources.search.SearchDocument`, which makes the words of clients.
CREATE OR REPLACE FUNCTION words_of(names text) RETURNS tsvector
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT setweight(to_tsvector('simple', translate(names, $$@._-+/&'’,;:()"$$, repeat(' ', 15))), 'A')
$function$;
