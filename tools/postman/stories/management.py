from checks import equals, holds
from folders import Folder, Request

from stories.values import CLIENT, CONTRACT, EVENT

_REASON = {"X-Change-Reason": "Agreed with the client on the phone"}

MANAGEMENT = Folder(
    "Management",
    "Does everything that others may, and what only management may: name contacts, reopen, tell what somebody else "
    "may do. "
    "Accounts are managed in the admin site, and nowhere in the API. What this folder makes it deletes at its end.",
    (
        Request(
            "How many clients are there?", "GET clients/", "`count=true` counts them.",
            query={"count": "true", "page_size": "1"}, tests=(holds("There are some", "answer.count > 0"),),
        ),
        Request(
            "Who is of sales?", "GET users/sales-contacts/", "To name a client's contact.",
            keeps={"sales_contact_id": "answer.results[0]?.id", "other_sales_contact_id": "answer.results[1]?.id"},
            tests=(holds("There are two at least", "answer.results.length > 1"),),
        ),
        Request(
            "Who is of support?", "GET users/support-contacts/", "To name an event's contact.",
            keeps={"support_contact_id": "answer.results[0]?.id"},
        ),
        Request(
            "Create a client for a salesperson", "POST clients/", "Management names its sales contact.", 201,
            body=CLIENT | {"sales_contact_id": "{{sales_contact_id}}"}, keeps={"prospect_id": "answer.id"},
        ),
        Request(
            "Hand it to another salesperson", "PATCH clients/{id}/",
            "With it go its contracts and events. Only management assigns.", headers=_REASON,
            path={"id": "{{prospect_id}}"}, keeps={"client_id": "answer.id"},
            body={"sales_contact_id": "{{other_sales_contact_id}}", "status": "client"},
            tests=(holds("The contact is another one", "answer.sales_contact.id == {{other_sales_contact_id}}"),),
        ),
        Request(
            "What may a colleague do with it?", "GET clients/{id}/access/",
            "`as` asks for somebody else; management and auditors may.", query={"as": "{{sales_username}}"},
            tests=(holds("It is somebody else's", "answer.visible === true"),),
        ),
        Request(
            "Draft a contract", "POST clients/{client}/contracts/", "For any client.", 201, body=CONTRACT,
            keeps={"draft_id": "answer.id"},
        ),
        Request(
            "Sign it", "PATCH contracts/{id}/", "As its sales contact could.", path={"id": "{{draft_id}}"},
            body={"status": "signed"}, keeps={"contract_id": "answer.id"}, tests=(equals("status", "signed"),),
        ),
        Request(
            "Correct the amount of a signed contract", "PATCH contracts/{id}/", "Frozen for all but management.",
            headers=_REASON, body={"amount": "49500.00"}, tests=(equals("amount", "49500.00"),),
        ),
        Request(
            "Plan an event", "POST clients/{client}/contracts/{contract}/events/", "Without a support contact as yet.",
            201, body=EVENT, keeps={"event_id": "answer.id"}, tests=(equals("support_contact", None),),
        ),
        Request(
            "Events without a support contact", "GET events/", "Somebody must carry them out.",
            query={"unassigned": "true", "ordering": "starts_at", "count": "true"},
            tests=(holds("There is one", "answer.count >= 1"),),
        ),
        Request(
            "Give it to support", "PATCH events/{id}/", "Only management assigns.",
            body={"support_contact_id": "{{support_contact_id}}"},
            tests=(holds("Somebody carries it out", "answer.support_contact !== null"),),
        ),
        Request(
            "Close it", "PATCH events/{id}/", "Skipping ahead is allowed.", body={"status": "closed"},
            tests=(equals("status", "closed"),),
        ),
        Request(
            "Reopen it", "PATCH events/{id}/", "With a reason, which the trail keeps.", headers=_REASON,
            body={"status": "in_progress"}, tests=(equals("status", "in_progress"),),
        ),
        Request(
            "Who changed it, and why?", "GET events/{id}/history/", "The reason stands there.",
            tests=(
                holds(
                    "The reason is told",
                    f"answer.results.some(one => one.reason === '{_REASON['X-Change-Reason']}')",
                ),
            ),
        ),
        Request(
            "Delete the event", "DELETE events/{id}/",
            "The trail keeps the whole row: it can be restored in the admin site.", 204,
        ),
        Request(
            "Delete the signed contract", "DELETE contracts/{id}/", "Which only management may.", 204, headers=_REASON,
        ),
        Request("Delete the client", "DELETE clients/{id}/", "It has no contracts any more.", 204),
    ),
    role="management",
    prefix="management",
)  # fmt: skip
