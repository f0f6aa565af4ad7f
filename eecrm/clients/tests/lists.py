"""Lists of companies, as files and as text, and what came of them."""

from pathlib import Path

from access.database import acting_as
from access.policy import Role
from clients.models import Client
from config.environment import ROOT

DATA = Path(__file__).parent / "data"
REAL_LIST = DATA / "customers-1000.csv"
LONGER_LIST = ROOT.parent / "shared" / "data" / "customers-10000.csv"
HEADER = "Company,First name,Last name,Email,Phone,Mobile,Country"
ROW = "Nordlys,Ingrid,Solberg,ingrid@nordlys.example,22 12 34 56,,Norway"


def stored(*fields):
    with acting_as(Role.SUPERUSER):
        return list(Client.objects.order_by("pk").values_list(*(fields or ("pk", "email", "version"))))


def newest(*fields):
    return stored(*fields)[-1]


def lines(*rows, header=HEADER):
    return "\n".join([header, *rows, ""])
