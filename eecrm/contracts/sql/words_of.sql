-- As `api.resources.search.SearchDocument` has them, which makes those of the client.
CREATE OR REPLACE FUNCTION words_of(names text) RETURNS tsvector
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT setweight(to_tsvector('simple', translate(names, $$@._-+/&'’,;:()"$$, repeat(' ', 15))), 'A')
$function$;
