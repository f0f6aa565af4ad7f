from checks import equals, holds
from folders import Folder, Request

from stories.values import TAG

SUPPORT = Folder(
    "Support",
    "Carries events out. Support read everything and change the events that were given to them. Run the folder Sales "
    "first: it "
    "plans the two events that this one works on.",
    (
        Request(
            "My events", "GET events/", "Those that were given to you and haven't begun, the latest planned first.",
            query={"mine": "true", "status": "created", "ordering": "-created_at"},
            keeps={
                "rehearsal_id": "answer.results[0]?.id", "event_id": "answer.results[1]?.id",
                "client_id": "answer.results[1]?.client.id", "contract_id": "answer.results[1]?.contract.id",
            },
            tests=(holds("There are two to work on (if not: run the folder Sales)", "answer.results.length >= 2"),),
        ),
        Request(
            "Read the event", "GET events/{id}/", "Where, when, how many.",
            keeps={"event_tag": TAG}, tests=(equals("status", "created"),),
        ),
        Request("Whose party is it?", "GET clients/{id}/", "With the numbers to call."),
        Request(
            "What was agreed?", "GET contracts/{id}/", "Support read contracts, and change none.",
            tests=(equals("status", "signed"),),
        ),
        Request(
            "Correct the number of guests", "PATCH events/{id}/",
            "With `If-Match`, so that nobody's change is overwritten.", headers={"If-Match": "{{event_tag}}"},
            body={"attendees": 255, "notes": "A third stage was ordered."}, tests=(equals("attendees", 255),),
        ),
        Request(
            "Begin", "PATCH events/{id}/", "It is in progress.", body={"status": "in_progress"},
            tests=(equals("status", "in_progress"),),
        ),
        Request(
            "Close", "PATCH events/{id}/", "It is over, and read-only.", body={"status": "closed"},
            tests=(equals("status", "closed"),),
        ),
        Request(
            "Delete an event that was cancelled", "DELETE events/{id}/", "One of one's own that isn't closed.", 204,
            path={"id": "{{rehearsal_id}}"},
        ),
        Request("What has happened to the event", "GET events/{id}/history/", "Each change, with who and when."),
        Request(
            "Events that nobody carries out yet", "GET events/", "Management gives them to somebody.",
            query={"unassigned": "true"},
        ),
        Request(
            "Take an offline copy of the events", "GET sync/", "Before going where there is no network.",
            query={"types": "event"},
        ),
    ),
    role="support",
    prefix="support",
)  # fmt: skip
