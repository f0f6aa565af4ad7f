"""Types for the rows of the demo data. Each field has the name of its column in the database."""

from datetime import date, datetime
from typing import NamedTuple


class ClientRow(NamedTuple):
    id: int
    status: str
    company_name: str
    first_name: str
    last_name: str
    email: str
    phone: str
    mobile: str
    sales_contact_id: int
    account_id: int | None
    created_at: datetime
    updated_at: datetime


class ContractRow(NamedTuple):
    id: int
    client_id: int
    name: str
    status: str
    amount: int
    payment_due: date
    signed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class EventRow(NamedTuple):
    contract_id: int
    support_contact_id: int | None
    name: str
    status: str
    attendees: int
    starts_at: datetime
    ends_at: datetime
    location: str
    notes: str
    created_at: datetime
    updated_at: datetime
