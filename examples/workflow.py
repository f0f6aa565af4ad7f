"""The eight steps of Epic Events' workflow, with Python's standard library only.

Start scripts/run first. Then run:

python3 examples/workflow.py

To use another server, set the environment variables API (the URL of its API) and PASSWORD.
"""

import json
import os
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

API = os.environ.get("API", "http://127.0.0.1:8000/api/v1")
PASSWORD = os.environ.get("PASSWORD", "Epic-Events-2026!")  # password of all demo accounts


class Refusal(Exception):
    """An answer with an error. `problem` is the body of this answer: a problem document (RFC 9457).

    The document has `status` and `detail`. For a 403 or 409 it also has the name of the `rule`.
    """

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem


class Person:
    """A logged-in user. The access token expires after ten minutes. A program that runs longer must refresh it."""

    def __init__(self, username: str) -> None:
        self.token = ""
        self.tag = ""  # ETag of the last answer, for If-Match
        self.token = self.call("POST", "/users/login/", {"username": username, "password": PASSWORD})["access"]

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        """Sends a request and returns the answer's body. Raises Refusal if the status is 400 or more.

        `url` is a path of the API, or a URL from an answer. The names in `headers` have underscores instead of hyphens.
        """
        headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if method == "POST":
            # If the answer is lost, a retry with the same key gets the same answer, and creates no second object.
            headers.setdefault("Idempotency_Key", str(uuid4()))
        request = Request(
            url if url.startswith("http") else API + url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urlopen(request, timeout=30) as answer:
                self.tag = answer.headers["ETag"] or ""
                return json.load(answer)
        except HTTPError as error:
            raise Refusal(json.load(error)) from None


sales, support, management = Person("oc-salesman"), Person("oc-supporttech"), Person("oc-manager")

# 1. Sales adds a prospect.
company = {
    "company_name": "Maison Lumen",
    "first_name": "Inès",
    "last_name": "Garnier",
    "email": f"ines@{uuid4()}.example",
}
client = sales.call("POST", "/clients/", company)
print(f"1. {client['company_name']} is a {client['status']}.")

# 2. Sales turns the prospect into a client. With If-Match, the API answers 412 if the prospect has changed.
client = sales.call("PATCH", client["url"], {"status": "client"}, If_Match=sales.tag)
print(f"2. It is a {client['status']} now.")

# 3. Sales creates a contract.
sale = {"name": "Centenary gala", "amount": "48000.00", "payment_due": "2027-09-30"}
contract = sales.call("POST", f"{client['url']}contracts/", sale)
print(f"3. {contract['name']} for {contract['amount']} {contract['currency']} is a {contract['status']}.")

# 4. Sales marks the contract signed.
contract = sales.call("PATCH", contract["url"], {"status": "signed"})
print(f"4. It was signed at {contract['signed_at']}.")

# 5. Sales creates an event and gives it to support.
colleagues = sales.call("GET", "/users/support-contacts/")["results"]
karin = next(colleague["id"] for colleague in colleagues if colleague["name"] == "Karin Vogel")
party = {"name": "Centenary gala", "starts_at": "2027-10-09T18:00:00Z", "attendees": 240, "support_contact_id": karin}
event = sales.call("POST", f"{contract['url']}events/", party)
print(f"5. {event['name']} is {event['support_contact']['name']}'s.")

# 6. Support reads the event.
event = support.call("GET", event["url"])
print(f"6. {event['attendees']} people come to {event['client']['company_name']}'s {event['name']}.")

# 7. Support starts the event, then closes it.
for status in ("in_progress", "closed"):
    event = support.call("PATCH", event["url"], {"status": status})
    print(f"7. It is {event['status']}.")

# 8. Management reopens the event, with a reason. Support may not reopen it, and the answer gives the reason.
try:
    support.call("PATCH", event["url"], {"status": "in_progress"}, X_Change_Reason="The caterer was never paid")
except Refusal as refusal:
    print(f"8. {refusal} ({refusal.problem['status']}, {refusal.problem['rule']})")
event = management.call("PATCH", event["url"], {"status": "in_progress"}, X_Change_Reason="The caterer was never paid")
print(f"8. Management has reopened it: {event['status']}.")
