"""Folders for the roles that only read: auditors, and partners. A partner sees the rows of one client only."""

from checks import holds
from folders import Folder, Request

AUDITOR = Folder(
    "Auditor",
    "Reads everything and changes nothing. Email addresses and phones are masked, unless the account is in the group "
    "PII or "
    "PII_VIEW. The whole trail is in the admin site.",
    (
        Request("What may I do?", "GET users/me/permissions/", "Read, and ask why."),
        Request(
            "All clients", "GET clients/", "With masked email addresses.",
            query={"ordering": "-created_at", "page_size": "5"},
            keeps={"client_id": "answer.results[0]?.id"},
            tests=(holds("Addresses are masked", "answer.results.every(one => one.email.includes('***'))"),),
        ),
        Request(
            "Contracts above 50,000", "GET contracts/", "Signed ones.",
            query={"amount_min": "50000", "status": "signed"},
            tests=(holds("They are", "answer.results.every(one => Number(one.amount) >= 50000)"),),
        ),
        Request(
            "Events of a year", "GET events/", "By their beginning.",
            query={"starts_after": "2027-01-01T00:00:00Z", "starts_before": "2028-01-01T00:00:00Z"},
            keeps={"event_id": "answer.results[0]?.id"},
        ),
        Request("What has happened to the client", "GET clients/{id}/history/", "Each change, with who, when and why."),
        Request(
            "What may a salesperson do with it?", "GET clients/{id}/access/", "`as` asks for somebody else.",
            query={"as": "{{sales_username}}"},
        ),
        Request(
            "What may support do with the event?", "GET events/{id}/access/", "Each action with its rule.",
            query={"as": "{{support_username}}"},
        ),
        Request(
            "An auditor changes nothing", "PATCH clients/{id}/", "Not even a letter.", 403,
            "client.update.auditor.none", body={"first_name": "X"},
        ),
    ),
    role="auditor",
    prefix="auditor",
)  # fmt: skip

PARTNER = Folder(
    "Partner",
    "An account of a partner's app, linked to one client: it sees this client with its contracts and events, and "
    "nothing else. "
    "What others have is answered as if it weren't there.",
    (
        Request("Who am I?", "GET users/me/", "One's own account."),
        Request(
            "My client", "GET clients/", "There is one.",
            keeps={"client_id": "answer.results[0]?.id"},
            tests=(holds("It is the only one", "answer.results.length === 1"),),
        ),
        Request("Its contracts", "GET clients/{client}/contracts/", "To read."),
        Request(
            "Its events", "GET events/", "To read, the next ones first.", query={"ordering": "starts_at"},
        ),
        Request(
            "Take an offline copy", "GET sync/", "Everything at first: keep `next`.",
            keeps={"cursor": "answer.next"},
        ),
        Request(
            "What has changed since", "GET sync/", "Nothing, a moment later.", query={"cursor": "{{cursor}}"},
            tests=(holds("Nothing but what was in progress", "answer.has_more === false"),),
        ),
        Request(
            "A partner changes nothing", "PATCH clients/{id}/",
            "One's own client is visible, so it is a 403 and no 404.", 403, "client.update.external.none",
            body={"phone": "+33199004117"},
        ),
    ),
    role="partner",
    prefix="partner",
)  # fmt: skip
