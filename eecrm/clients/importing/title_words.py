"""Words of column titles, in English and French, without accents and in small letters.

`BESIDE` has the words that may stand beside the word that names a field.
"""

from enum import IntEnum

# The field of a person's whole name, which the import splits into `first_name` and `last_name`.
FULL_NAME = "full_name"
COUNTRY = "country"


class Rank(IntEnum):
    """Priority among the columns of one field. The lowest rank is the best."""

    WORK = 0
    PLAIN = 1
    COMPANY = 2
    HOME = 3
    OTHER = 4


def _words(*texts: str) -> frozenset[str]:
    return frozenset(" ".join(texts).split())


EMAIL_WORDS = _words("email emails mail mails courriel courriels mel messagerie")
ELECTRONIC = _words("adresse adresses courrier courriers")  # an address if `électronique` stands beside
PHONE_WORDS = _words("phone phones telephone telephones tel tels landline fixe")
BARE_MOBILE = _words("sms whatsapp")  # Brevo's columns, with numbers such as 33612345678
MOBILE = BARE_MOBILE | _words(
    "mobile mobiles cell cellphone cellular cellulaire gsm portable portables smartphone iphone mob port"
)
COUNTRY_WORDS = _words("country countries pays cc")
COMPANY = _words(
    "company companies organization organisation organizations organisations organisme societe entreprise",
    "account accounts compte comptes business firm employer employeur etablissement association structure",
    "enseigne denomination",
)
FIRST = _words("first given forename forenames prenom prenoms")
LAST = _words("last family surname surnames famille patronyme")
NAMES_ALONE = _words("forename forenames prenom prenoms surname surnames patronyme")  # need no `name` beside them
NAME = _words("name names nom noms")
FULL = _words("full complet complete display afficher")

PEOPLE = _words(
    "person personne people contact contacts lead prospect attendee participant member membre customer",
    "client subscriber abonne guest invite buyer acheteur interlocuteur correspondant piste",
)
CUSTOMER = _words("customer client tiers intitule")
RANKS = {
    Rank.WORK: _words(
        "work business office bureau pro professional professionnel professionnelle travail direct directe bur"
    ),
    Rank.COMPANY: COMPANY | _words("standard siege headquarters hq switchboard corporate"),
    Rank.HOME: _words("home domicile maison personal personnel personnelle perso private prive privee dom"),
    Rank.OTHER: _words(
        "other autre autres secondary secondaire second seconde deuxieme alternate alternative alt additional",
        "supplementaire billing facturation invoice shipping livraison mailing postal correspondance etranger bill ship",
    ),
}
PLACES = _words("primary principal principale main default defaut preferred premier premiere").union(*RANKS.values())
SMALL = _words(
    "the of de du des da la le les l d s a un en for pour or ou value values valeur text your votre properties to"
)
NUMBERED = _words("number numbers numero numeros num no n nr nbr ligne line")

BESIDE = {
    "email": PEOPLE | PLACES | SMALL | _words("address addresses adresse adresses id electronique courrier courriers"),
    "phone": PEOPLE | PLACES | SMALL | NUMBERED | _words("raw formatted"),
    COUNTRY: PEOPLE | PLACES | SMALL | _words("address adresse code iso alpha region state etat name nom id residence"),
    "company_name": NAME
    | SMALL
    | _words(
        "raison sociale sociales contact person lead work primary principal principale main current actuel actuelle",
        "associated associe associee related lie liee legal commercial commerciale trading client customer",
    ),
    "first_name": NAME | PEOPLE | SMALL | _words("primary principal usuel"),
    "last_name": NAME | PEOPLE | SMALL | _words("primary principal"),
    FULL_NAME: NAME | PEOPLE | SMALL | FULL | _words("primary principal personal"),
}
VOCABULARY = _words("usage and et").union(
    *BESIDE.values(), EMAIL_WORDS, PHONE_WORDS, MOBILE, COUNTRY_WORDS, COMPANY, FIRST, LAST, CUSTOMER
)
