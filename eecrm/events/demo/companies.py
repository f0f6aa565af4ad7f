"""Invented companies across Europe: forty written by hand, and any number of generated ones."""

import unicodedata
from functools import cache
from random import Random
from typing import NamedTuple


class PhoneRange(NamedTuple):
    """A range of valid phone numbers: the start in E.164, and the number of digits that follow."""

    start: str
    digits: int

    def nth(self, n: int) -> str:
        return f"{self.start}{n % 10**self.digits:0{self.digits}}"


class City(NamedTuple):
    city: str
    legal_form: str
    phones: PhoneRange
    mobiles: PhoneRange


class Company(NamedTuple):
    """Data for a client's row. The email address ends in `.example`: nobody can register this domain (RFC 2606)."""

    company_name: str
    first_name: str
    last_name: str
    email: str
    phone: str
    mobile: str
    city: str


PLACES = (
    City("Paris", "SAS", PhoneRange("+3319900", 4), PhoneRange("+336123", 5)),
    City("Lyon", "SARL", PhoneRange("+3347812", 4), PhoneRange("+336124", 5)),
    City("Brussels", "SRL", PhoneRange("+3222345", 3), PhoneRange("+32470", 6)),
    City("Amsterdam", "BV", PhoneRange("+31201234", 3), PhoneRange("+316123", 5)),
    City("Berlin", "GmbH", PhoneRange("+493023125", 3), PhoneRange("+4917604069", 3)),
    City("Vienna", "GmbH", PhoneRange("+431234567", 3), PhoneRange("+43664123", 4)),
    City("Zürich", "AG", PhoneRange("+41212345", 3), PhoneRange("+41781234", 3)),
    City("Copenhagen", "ApS", PhoneRange("+45321234", 2), PhoneRange("+452012", 4)),
    City("Oslo", "AS", PhoneRange("+47212345", 2), PhoneRange("+474061", 4)),
    City("Stockholm", "AB", PhoneRange("+468465004", 2), PhoneRange("+4670174", 4)),
    City("Helsinki", "Oy", PhoneRange("+3581312345", 2), PhoneRange("+35841234", 4)),
    City("Tallinn", "OÜ", PhoneRange("+3726212", 3), PhoneRange("+37254", 6)),
    City("Warsaw", "sp. z o.o.", PhoneRange("+48123456", 3), PhoneRange("+48512", 6)),
    City("Prague", "s.r.o.", PhoneRange("+420212345", 3), PhoneRange("+420601", 6)),
    City("Budapest", "Kft.", PhoneRange("+3612345", 3), PhoneRange("+36201234", 3)),
    City("Milan", "S.r.l.", PhoneRange("+390212", 6), PhoneRange("+39312345", 4)),
    City("Madrid", "S.L.", PhoneRange("+3491123", 4), PhoneRange("+346123", 5)),
    City("Lisbon", "Lda.", PhoneRange("+351212345", 3), PhoneRange("+3519123", 5)),
    City("London", "Ltd", PhoneRange("+442079460", 3), PhoneRange("+447400123", 3)),
    City("Athens", "E.P.E.", PhoneRange("+302123456", 3), PhoneRange("+306912", 6)),
)

# Company number n is in the place number n % 20, because PLACES has twenty places. So each place has two companies.
_BY_HAND = (
    ("Fontaine & Filles", "Claire", "Fontaine"), ("Ateliers du Rhône", "Hugo", "Mercier"),
    ("Brasserie Zenne", "Lieve", "Peeters"), ("Grachtenlicht", "Daan", "Visser"),
    ("Havelwerk Design", "Jonas", "Brandt"), ("Wiener Walzerwerk", "Magdalena", "Steiner"),
    ("Limmat Instrumente", "Reto", "Zürcher"), ("Havnens Bageri", "Freja", "Holm"),
    ("Nordlys Maritime", "Ingrid", "Solberg"), ("Björklund Möbler", "Oskar", "Björklund"),
    ("Saimaa Timber", "Aino", "Korhonen"), ("Kadriorg Software", "Mari", "Tamm"),
    ("Złoty Kłos", "Zofia", "Wójcik"), ("Vltava Glass", "Tomáš", "Dvořák"),
    ("Dunapart Books", "Eszter", "Nagy"), ("Seta di Brera", "Giulia", "Colombo"),
    ("Olivar del Tajo", "Álvaro", "Serrano"), ("Azulejos Saudade", "Inês", "Carvalho"),
    ("Thames & Tide", "Harriet", "Ashworth"), ("Aegean Ferries", "Nikos", "Papadopoulos"),
    ("Maison Lumière", "Antoine", "Lefèvre"), ("Cycles Confluence", "Manon", "Girard"),
    ("Chocolaterie Ixelles", "Thomas", "Dubois"), ("Tulp & Zonen", "Sanne", "de Boer"),
    ("Spreeklang Audio", "Lena", "Hoffmann"), ("Prater Optik", "Felix", "Gruber"),
    ("Alpenblick Reisen", "Seraina", "Keller"), ("Fjordkraft Kajak", "Mikkel", "Sørensen"),
    ("Tromsø Seafood", "Sindre", "Haugen"), ("Södermalm Textil", "Elin", "Sandberg"),
    ("Revontuli Games", "Ville", "Mäkinen"), ("Baltic Cloudberry", "Kristjan", "Kask"),
    ("Wisła Logistics", "Piotr", "Kowalczyk"), ("Bohemia Brews", "Tereza", "Novotná"),
    ("Tisza Robotics", "Bence", "Kovács"), ("Officine Navigli", "Lorenzo", "Ferrari"),
    ("Sierra Clara Solar", "Lucía", "Navarro"), ("Tejo Surf House", "Tiago", "Almeida"),
    ("Harbour Lane Theatre", "Oliver", "Pembroke"), ("Meltemi Yachts", "Eleni", "Georgiou"),
)  # fmt: skip
BY_HAND = len(_BY_HAND)

_TRADES = (
    "Architects", "Bakery", "Bicycles", "Books", "Ceramics", "Coffee Roasters", "Consulting", "Dental", "Design",
    "Energy", "Film", "Florists", "Foods", "Furniture", "Gallery", "Glass", "Hotels", "Instruments", "Jewellers",
    "Labs", "Legal", "Logistics", "Maritime", "Media", "Motors", "Museum Shop", "Optics", "Partners", "Pharma",
    "Print", "Robotics",
    "Shipyard", "Software", "Solar", "Textiles", "Theatre", "Timber", "Tours", "Winery", "Workshops",
)  # fmt: skip

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "ß": "ss", "æ": "ae", "đ": "d", "&": "and"})


def company(number: int) -> Company:
    """Returns the company with this number, from 0 on. The same number always gives the same company."""
    return _company_by_hand(number) if number < BY_HAND else _generated_company(number)


def _company_by_hand(number: int) -> Company:
    name, first_name, last_name = _BY_HAND[number]
    place = PLACES[number % len(PLACES)]
    email = f"{_slug(first_name)}.{_slug(last_name)}@{_slug(name)}.example"
    return Company(
        f"{name} {place.legal_form}", first_name, last_name, email,
        place.phones.nth(number), place.mobiles.nth(number), place.city,
    )  # fmt: skip


def _generated_company(number: int) -> Company:
    random = Random(number).random
    _, _, founder = _BY_HAND[int(random() * BY_HAND)]
    _, first_name, _ = _BY_HAND[int(random() * BY_HAND)]
    _, _, last_name = _BY_HAND[int(random() * BY_HAND)]
    trade = _TRADES[int(random() * len(_TRADES))]
    place = PLACES[int(random() * len(PLACES))]
    # The number makes the email address unique even if all names are the same.
    email = f"{_slug(first_name)}.{_slug(last_name)}.{number}@{_slug(founder)}-{_slug(trade)}.example"
    return Company(
        f"{founder} {trade} {place.legal_form}", first_name, last_name, email,
        place.phones.nth(number), place.mobiles.nth(number), place.city,
    )  # fmt: skip


@cache
def _slug(name: str) -> str:
    """Converts a name to a part of an email address, for example `Złoty Kłos` -> `zloty-klos`."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return "-".join("".join(letter for letter in letters if letter.isascii()).split())
