from checks import equals, has_header, holds
from folders import Folder, Request

from stories.values import CLIENT, CONTRACT, EVENT, TAG

_PROSPECT, _DRAFT = {"id": "{{prospect_id}}"}, {"id": "{{draft_id}}"}
_EVENT = EVENT | {"support_contact_id": "{{support_contact_id}}"}

SALES = Folder(
    "Sales",
    "From the first call to the signed contract and its event. Sales read everything and change clients; contracts "
    "and events "
    "they make for their own clients.",
    (
        Request(
            "What may I do?", "GET users/me/permissions/",
            "The matrix, as it is for you, and for whom you stand in at the moment.",
        ),
        Request(
            "My clients", "GET clients/",
            "Those whose sales contact you are, the newest first. `next` is the address of the next page.",
            query={"mine": "true", "ordering": "-created_at", "page_size": "10"},
            tests=(holds("There are ten at most", "answer.results.length <= 10"),),
        ),
        Request(
            "Find a client", "GET clients/",
            "Words of the company, a name or an email address; each begins a word of the client.",
            query={"search": "fontaine", "count": "true"}, tests=(holds("Some are found", "answer.count >= 1"),),
        ),
        Request(
            "Create a client", "POST clients/", "It starts as a prospect, and you are its sales contact.", 201,
            body=CLIENT, keeps={"prospect_id": "answer.id"},
            tests=(has_header("Location"), equals("status", "prospect")),
        ),
        Request(
            "Read a client", "GET clients/{id}/", "Its ETag is kept: it says which version you know.",
            path=_PROSPECT, keeps={"client_tag": TAG}, tests=(has_header("ETag"), equals("version", 1)),
        ),
        Request(
            "Read a client that I know already", "GET clients/{id}/",
            "With `If-None-Match` nothing is sent again as long as it is what you know: 304.", 304,
            path=_PROSPECT, headers={"If-None-Match": "{{client_tag}}"},
        ),
        Request(
            "Change a client", "PATCH clients/{id}/",
            "Only the fields that you send. With `If-Match` it goes through only if nobody has changed it since you "
            "read it.", path=_PROSPECT, headers={"If-Match": "{{client_tag}}"}, body={"mobile": "+33612340099"},
            tests=(equals("version", 2),),
        ),
        Request(
            "Turn the prospect into a client", "PATCH clients/{id}/",
            "Before there can be a contract. There is no way back.", path=_PROSPECT, body={"status": "client"},
            keeps={"client_id": "answer.id"}, tests=(equals("status", "client"),),
        ),
        Request(
            "Draft a contract", "POST clients/{client}/contracts/", "For one's own client. It starts as a draft.", 201,
            body=CONTRACT, keeps={"draft_id": "answer.id"}, tests=(equals("status", "draft"),),
        ),
        Request(
            "Change the amount of the draft", "PATCH contracts/{id}/", "As long as it isn't signed.",
            path=_DRAFT, body={"amount": "52500.00"}, tests=(equals("amount", "52500.00"),),
        ),
        Request(
            "Why may I, and why not?", "GET contracts/{id}/access/",
            "What you may do with this contract at this moment, action by action, each with its rule.",
            path=_DRAFT,
            tests=(holds("Signing is allowed", "answer.actions.find(one => one.action === 'sign').allowed"),),
        ),
        Request(
            "Mark the contract signed", "PATCH contracts/{id}/", "Its amount is frozen from now on.",
            path=_DRAFT, body={"status": "signed"}, keeps={"contract_id": "answer.id"},
            tests=(equals("status", "signed"),),
        ),
        Request(
            "Who is of support?", "GET users/support-contacts/", "To give an event to somebody.",
            keeps={
                "support_contact_id": "(answer.results.find(one => one.name === 'Karin Vogel')"
                " || answer.results[0])?.id",
            },
        ),
        Request(
            "Plan the event", "POST clients/{client}/contracts/{contract}/events/",
            "Under the signed contract; and give it to support.", 201, body=_EVENT,
            tests=(equals("status", "created"),),
        ),
        Request(
            "Plan a rehearsal", "POST clients/{client}/contracts/{contract}/events/",
            "A contract may have several events.", 201,
            body=_EVENT | {
                "name": "Rehearsal", "attendees": 12,
                "starts_at": "2027-10-08T16:00:00Z", "ends_at": "2027-10-08T19:00:00Z",
            },
        ),
        Request(
            "Draft a contract by mistake", "POST clients/{client}/contracts/", "To have one to delete.", 201,
            body=CONTRACT | {"name": "By mistake"}, keeps={"mistaken_contract_id": "answer.id"},
        ),
        Request(
            "Delete the draft", "DELETE contracts/{id}/",
            "A draft of one's own client. Management can restore it from the trail.", 204,
            path={"id": "{{mistaken_contract_id}}"},
        ),
        Request(
            "My contracts that are overdue", "GET contracts/", "Signed, and their payment was due before today.",
            query={"mine": "true", "overdue": "true"},
        ),
        Request(
            "My clients' events", "GET events/", "The next ones first.",
            query={"mine": "true", "ordering": "starts_at", "status": "created"},
        ),
        Request(
            "What has happened to the client", "GET clients/{id}/history/",
            "Who changed what, when and why, the newest first.",
            tests=(holds("Its three versions are told", "answer.results.length === 3"),),
        ),
        Request(
            "Take an offline copy", "GET sync/", "All that you see, page by page. Keep `next`: it is where you go on.",
            query={"page_size": "200", "types": "client"}, keeps={"cursor": "answer.next"},
        ),
        Request(
            "What has changed since", "GET sync/",
            "With the cursor of last time. `delete` is gone, `revoke` is out of your sight.",
            query={"cursor": "{{cursor}}"},
        ),
        Request("Where am I logged in?", "GET users/me/sessions/", "One row for each device; `DELETE` ends one."),
    ),
    role="sales",
    prefix="sales",
)  # fmt: skip
