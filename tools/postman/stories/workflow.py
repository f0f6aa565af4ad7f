"""The folder of the Postman collection with the eight steps of the workflow, as in the README."""

from checks import equals, holds
from folders import Folder, Request

from stories.values import CLIENT, CONTRACT, EVENT

_NESTED_EVENT = "clients/{client}/contracts/{contract}/events/{id}/"

WORKFLOW = Folder(
    "The workflow",
    "The eight steps from a prospect to a party. Run this folder as a whole, or send its requests one after the "
    "other: each "
    "keeps what the next ones need in the collection's variables. One that lacks something says which to send first.",
    (
        Request(
            "1. Sales adds a prospect", "POST clients/",
            "A company that may want a party. It starts as a prospect, and who adds it is its sales contact. The "
            "Idempotency-Key makes it safe to send again when the answer got lost.", 201, role="sales", body=CLIENT,
            keeps={"prospect_id": "answer.id"}, tests=(equals("status", "prospect"), equals("version", 1)),
        ),
        Request(
            "2. Sales turns the prospect into a client", "PATCH clients/{id}/",
            "Once they want to do business. There is no way back.", role="sales", path={"id": "{{prospect_id}}"},
            body={"status": "client"}, keeps={"client_id": "answer.id"}, tests=(equals("status", "client"),),
        ),
        Request(
            "3. Sales creates a contract", "POST clients/{client}/contracts/",
            "For a client, not for a prospect. It starts as a draft; amounts are text with two places, never a float.",
            201, role="sales", body=CONTRACT, keeps={"draft_id": "answer.id"}, tests=(equals("status", "draft"),),
        ),
        Request(
            "4. Sales marks it signed", "PATCH clients/{client}/contracts/{id}/",
            "From now on its amount is frozen. Its own sales contact signs it, or management.", role="sales",
            path={"id": "{{draft_id}}"}, body={"status": "signed"}, keeps={"contract_id": "answer.id"},
            tests=(equals("status", "signed"), holds("It has a time of signature", "answer.signed_at !== null")),
        ),
        Request(
            "5a. Sales looks up who is of support", "GET users/support-contacts/",
            "Names and numbers of the colleagues who can carry out an event. This keeps Karin Vogel's, who is `oc-"
            "supporttech` in the demo, or else the first one's.", role="sales",
            keeps={
                "support_contact_id": "(answer.results.find(one => one.name === 'Karin Vogel')"
                " || answer.results[0])?.id",
            },
        ),
        Request(
            "5b. Sales creates an event and gives it to support", "POST clients/{client}/contracts/{contract}/events/",
            "Under a signed contract. Later on only management gives it to somebody else.", 201, role="sales",
            body=EVENT | {"support_contact_id": "{{support_contact_id}}"},
            keeps={"event_id": "answer.id"},
            tests=(
                equals("status", "created"),
                holds("It has a support contact", "answer.support_contact !== null"),
            ),
        ),
        Request(
            "6. Support reads the event", f"GET {_NESTED_EVENT}", "Where, when, how many, and whose party it is.",
            role="support", tests=(equals("attendees", 240),),
        ),
        Request(
            "7a. Support begins", f"PATCH {_NESTED_EVENT}", "The event is in progress.", role="support",
            body={"status": "in_progress"}, tests=(equals("status", "in_progress"),),
        ),
        Request(
            "7b. Support closes it", f"PATCH {_NESTED_EVENT}", "It is over, and read-only from now on.", role="support",
            body={"status": "closed"}, tests=(equals("status", "closed"),),
        ),
        Request(
            "8. Management may do everything else", f"PATCH {_NESTED_EVENT}",
            "To reopen an event, for one, which takes a reason: the trail keeps it. Accounts are managed in the admin"
            " site, and nowhere in the API.", role="management",
            headers={"X-Change-Reason": "The caterer was never paid"}, body={"status": "in_progress"},
            tests=(equals("status", "in_progress"),),
        ),
    ),
    prefix="workflow",
)  # fmt: skip
