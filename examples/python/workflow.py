"""The eight steps of Epic Events' workflow, with a typed client that openapi-python-client generates.

Start scripts/run first. Then run these commands in the directory of this file:

pip install -r requirements.txt
openapi-python-client generate --path ../../docs/openapi.yaml --output-path epic_events --meta none \\
    --config generator.yaml
mypy --strict workflow.py && python workflow.py

To use another server, set the environment variables API (the URL of its API) and PASSWORD.
"""

import os
from datetime import UTC, date, datetime
from typing import TypeVar
from uuid import uuid4

from epic_events.api.auth import auth_login
from epic_events.api.clients import clients_create, clients_get, clients_update
from epic_events.api.contacts import support_contacts_list
from epic_events.api.contracts import client_contracts_create, contracts_update
from epic_events.api.events import client_contract_events_create, events_get, events_update
from epic_events.api.sync import sync_changes
from epic_events.client import AuthenticatedClient, Client
from epic_events.models import (
    ClientPatch,
    ClientRead,
    ClientStatus,
    ClientWrite,
    ContactPage,
    ContractPatch,
    ContractRead,
    ContractStatus,
    ContractWrite,
    EventPatch,
    EventRead,
    EventStatus,
    EventWrite,
    Login,
    PreconditionProblem,
    Problem,
    Removal,
    RuleProblem,
    SyncPage,
    TokenPair,
)
from epic_events.types import UNSET, Response

SERVER = os.environ.get("API", "http://127.0.0.1:8000")
PASSWORD = os.environ.get("PASSWORD", "Epic-Events-2026!")  # password of all demo accounts

Expected = TypeVar("Expected")


def log_in(username: str) -> AuthenticatedClient:
    """Logs a user in. Returns an API client with the user's token, which expires after ten minutes."""
    anonymous = Client(SERVER, raise_on_unexpected_status=True)
    tokens = expect(TokenPair, auth_login.sync(client=anonymous, body=Login(username=username, password=PASSWORD)))
    return AuthenticatedClient(SERVER, token=tokens.access, raise_on_unexpected_status=True)


def expect(kind: type[Expected], answer: object) -> Expected:
    """Returns the API's answer if it has the expected type, for example Client. Exits if the type is another."""
    if not isinstance(answer, kind):
        raise SystemExit(f"Not a {kind.__name__}: {answer.detail if isinstance(answer, Problem) else answer}")
    return answer


def tag(answer: Response[Expected]) -> str:
    return answer.headers["ETag"]


def new_key() -> str:
    """Returns an idempotency key for one new object.

    If the answer is lost, a retry with the same key creates no second object.
    """
    return str(uuid4())


def synchronize(person: AuthenticatedClient, copy: dict[tuple[str, int], object], cursor: str) -> tuple[str, int]:
    """Updates an offline copy of the rows that the user sees. Returns the next cursor, and the number of changes."""
    changes = 0
    while True:
        page = expect(SyncPage, sync_changes.sync(client=person, cursor=cursor or UNSET))
        for change in page.changes:
            if isinstance(change, Removal):
                copy.pop((change.type_.value, change.id), None)
            else:
                copy[(change.type_, change.id)] = change.data
        cursor, changes = page.next_, changes + len(page.changes)
        if not page.has_more:
            return cursor, changes


sales, support, management = log_in("oc-salesman"), log_in("oc-supporttech"), log_in("oc-manager")

# 1. Sales adds a prospect. A retry with the same key gets the first answer, and creates no second prospect.
company = ClientWrite("Maison Lumen", "Inès", "Garnier", email=f"ines@{uuid4()}.example")
key = new_key()
prospect = clients_create.sync_detailed(client=sales, body=company, idempotency_key=key)
repeated = clients_create.sync_detailed(client=sales, body=company, idempotency_key=key)
company_id = expect(ClientRead, prospect.parsed).id
assert expect(ClientRead, repeated.parsed).id == company_id and repeated.headers["Idempotency-Replayed"] == "true"
print(f"1. {expect(ClientRead, prospect.parsed).company_name} is a {expect(ClientRead, prospect.parsed).status}.")

# 2. Sales turns the prospect into a client. If-Match refuses the change if another user has changed the prospect.
known = tag(clients_get.sync_detailed(company_id, client=sales))
promoted = ClientPatch(status=ClientStatus.CLIENT)
record = expect(ClientRead, clients_update.sync(company_id, client=sales, body=promoted, if_match=known))
print(f"2. It is a {record.status} now.")

#    Another change with the same, now old, tag is refused with 412. The answer names the changed fields.
phone = ClientPatch(phone="+33199004117")
stale = expect(PreconditionProblem, clients_update.sync(company_id, client=sales, body=phone, if_match=known))
assert stale.version == record.version and stale.changed == ["status"]
print(f"   {stale.detail}")

# 3. Sales creates a contract.
sale = ContractWrite("Centenary gala", amount="48000.00", payment_due=date(2027, 9, 30))
contract = expect(
    ContractRead, client_contracts_create.sync(company_id, client=sales, body=sale, idempotency_key=new_key())
)
print(f"3. {contract.name} for {contract.amount} {contract.currency} is a {contract.status}.")

# 4. Sales marks the contract signed. Changing its amount is now refused with 409 and the name of the rule.
signed = ContractPatch(status=ContractStatus.SIGNED)
contract = expect(ContractRead, contracts_update.sync(contract.id, client=sales, body=signed))
frozen = expect(RuleProblem, contracts_update.sync(contract.id, client=sales, body=ContractPatch(amount="1.00")))
assert (frozen.status, frozen.rule) == (409, "contract_signed_amount_frozen")
print(f"4. It was signed at {contract.signed_at}. {frozen.detail}")

# 5. Sales creates an event and gives it to support.
colleagues = expect(ContactPage, support_contacts_list.sync(client=sales)).results
karin = next(colleague.id for colleague in colleagues if colleague.name == "Karin Vogel")
party = EventWrite("Centenary gala", 240, datetime(2027, 10, 9, 18, tzinfo=UTC), support_contact_id=karin)
event_of = client_contract_events_create
event = expect(EventRead, event_of.sync(company_id, contract.id, client=sales, body=party, idempotency_key=new_key()))
print(f"5. {event.name} is Karin Vogel's.")

# 6. Support reads the event.
event = expect(EventRead, events_get.sync(event.id, client=support))
print(f"6. {event.attendees} people come to {event.client.company_name}'s {event.name}.")

# 7. Support starts the event, then closes it.
copy: dict[tuple[str, int], object] = {}
cursor, everything = synchronize(support, copy, "")
for status in (EventStatus.IN_PROGRESS, EventStatus.CLOSED):
    event = expect(EventRead, events_update.sync(event.id, client=support, body=EventPatch(status=status)))
    print(f"7. It is {event.status}.")

# 8. Management reopens the event, with a reason. If sales tries it, the answer is 403 with the name of the rule.
reopened, why = EventPatch(status=EventStatus.IN_PROGRESS), "The caterer was never paid"
refused = expect(RuleProblem, events_update.sync(event.id, client=sales, body=reopened, x_change_reason=why))
assert (refused.status, refused.rule) == (403, "event.update.sales.none")
event = expect(EventRead, events_update.sync(event.id, client=management, body=reopened, x_change_reason=why))
print(f"8. {refused.detail} ({refused.rule}) Management has reopened it: {event.status}.")

cursor, changed = synchronize(support, copy, cursor)
assert 1 <= changed < everything and copy[("event", event.id)] == event
print(f"Offline copy: {everything} rows at first, then {changed} changed.")
