"""A folder that provokes each kind of refusal, and checks the answer and the rule in it."""

from checks import equals, has_header, holds
from folders import NOBODY, Folder, Request

from stories.values import CLIENT, CONTRACT

_PROSPECT, _DRAFT = {"id": "{{prospect_id}}"}, {"id": "{{draft_id}}"}
_KEY = {"Idempotency-Key": "{{key}}"}
_REASON = {"X-Change-Reason": "Tidying up after the refusals"}

REFUSALS = Folder(
    "Refusals and their rules",
    "An app must know why it was refused. Each refusal is a problem document (RFC 9457): `detail` is a sentence for "
    "people, "
    "`rule` names the rule of a 403 and a 409, and `errors` the fields of a 400. Run it as a whole: it makes what it "
    "needs, and "
    "deletes it at its end. All rules are listed in docs/access.md.",
    (
        Request(
            "401: no token", "GET clients/", "Nobody has logged in: `WWW-Authenticate` says what is wanted.", 401,
            role=NOBODY, tests=(has_header("WWW-Authenticate"),),
        ),
        Request(
            "A client to be refused with", "POST clients/", "A prospect.", 201, role="sales", body=CLIENT,
            keeps={"prospect_id": "answer.id", "email": "answer.email.toUpperCase()"},
        ),
        Request(
            "400: a field that nobody knows", "PATCH clients/{id}/", "It is named, and nothing is changed.", 400,
            like="unknown_field", path=_PROSPECT, role="sales", body={"company_name": "Maison Lumen", "owner": 7},
            tests=(equals("errors[0].pointer", "#/owner"),),
        ),
        Request(
            "400: an unknown filter", "GET clients/",
            "A typing error must not give all rows. The known ones are listed.", 400, role="sales",
            query={"stauts": "client"}, tests=(equals("errors[0].pointer", "?stauts"),),
        ),
        Request("Who am I?", "GET users/me/", "For what follows.", role="sales", keeps={"my_id": "answer.id"}),
        Request(
            "Who else is of sales?", "GET users/sales-contacts/", "To find a colleague's contract.", role="sales",
            keeps={"colleague_id": "answer.results.find(one => one.id != {{my_id}})?.id"},
        ),
        Request(
            "403: not this role's to do", "DELETE clients/{id}/", "Support read clients.", 403,
            "client.delete.support.none", path=_PROSPECT, role="support",
        ),
        Request(
            "403: a part of it that is management's", "PATCH clients/{id}/",
            "Sales change any client, but not whose it is.", 403, "client.assign.sales.none", path=_PROSPECT,
            role="sales", body={"sales_contact_id": "{{colleague_id}}"},
        ),
        Request(
            "A colleague's draft", "GET contracts/", "Everybody of sales reads it.", role="sales",
            query={"sales_contact": "{{colleague_id}}", "status": "draft", "page_size": "1"},
            keeps={"colleague_contract_id": "answer.results[0]?.id"},
        ),
        Request(
            "403: a colleague's contract", "PATCH contracts/{id}/",
            "Only its sales contact changes it; who stands in for them may, too.", 403, "contract.update.sales.own",
            role="sales", path={"id": "{{colleague_contract_id}}"}, body={"name": "Taken over"},
        ),
        Request(
            "404: somebody else's client, to a partner", "GET clients/{id}/", "It exists, but not for this account.",
            404, path=_PROSPECT, role="partner",
        ),
        Request(
            "404: one that doesn't exist", "GET clients/{id}/", "The same answer: nobody can find out what there is.",
            404, role="partner", path={"id": "999999999999"},
        ),
        Request(
            "409: a contract for a prospect", "POST clients/{client}/contracts/", "Allowed, but not in this state.",
            409, "contract_needs_client", path={"client": "{{prospect_id}}"}, role="sales", body=CONTRACT,
        ),
        Request(
            "Turn it into a client", "PATCH clients/{id}/", "For what follows.", path=_PROSPECT, role="sales",
            body={"status": "client"}, keeps={"client_id": "answer.id", "key": "pm.variables.replaceIn('{{$guid}}')"},
        ),
        Request(
            "409: a client never turns back", "PATCH clients/{id}/", "Into a prospect.", 409, "client_never_turns_back",
            role="sales", body={"status": "prospect"},
        ),
        Request(
            "412: somebody was faster", "PATCH clients/{id}/",
            "`If-Match` names version 1, and it is at version 2: nothing is overwritten. `changed` tells which fields"
            " differ.", 412, role="sales", headers={"If-Match": '"1"'}, body={"first_name": "Ines"},
            tests=(equals("version", 2), equals("changed", ["status"])),
        ),
        Request(
            "A key, for the first time", "POST clients/{client}/contracts/", "An Idempotency-Key of one's own.", 201,
            role="sales", headers=_KEY, body=CONTRACT, keeps={"draft_id": "answer.id"},
        ),
        Request(
            "The same again: nothing is made twice", "POST clients/{client}/contracts/",
            "As after a lost answer: it is the first answer.", 201, role="sales", headers=_KEY,
            body=CONTRACT,
            tests=(
                has_header("Idempotency-Replayed", "true"),
                holds("It is the same contract", "answer.id == {{draft_id}}"),
            ),
        ),
        Request(
            "422: the same key for something else", "POST clients/{client}/contracts/",
            "A new key for each thing that you create.", 422, role="sales", headers=_KEY,
            body=CONTRACT | {"name": "Another one"},
        ),
        Request(
            "Sign the contract", "PATCH contracts/{id}/", "For what follows.", path=_DRAFT, role="sales",
            body={"status": "signed"}, keeps={"contract_id": "answer.id"},
        ),
        Request(
            "409: a signed amount is frozen", "PATCH contracts/{id}/", "Management may amend it.", 409,
            "contract_signed_amount_frozen", role="sales", body={"amount": "1.00"},
        ),
        Request(
            "409: a signed contract stays", "DELETE contracts/{id}/", "Management may delete it.", 409,
            "contract_signed_stays", role="sales",
        ),
        Request(
            "409: what others hang on stays", "DELETE clients/{id}/", "The client has a contract.", 409,
            "client_has_contracts", role="sales",
        ),
        Request(
            "400: a reason is missing", "PATCH contracts/{id}/", "Whoever reopens must say why, in `X-Change-Reason`.",
            400, like="reason", role="management", body={"status": "draft"},
            tests=(equals("errors[0].code", "contract_reopen_needs_reason"),),
        ),
        Request(
            "409: the same email address", "POST clients/", "No two clients have one, whatever its case.", 409,
            "client_email_unique", role="sales", body=CLIENT | {"email": "{{email}}"},
        ),
        Request(
            "An offline copy of management's", "GET sync/", "For what follows.", role="management",
            query={"page_size": "1"}, keeps={"foreign_cursor": "answer.next"},
        ),
        Request(
            "410: a cursor that can't be continued", "GET sync/",
            "It is another account's, or its role has changed: drop the copy, and start again.", 410, role="sales",
            query={"cursor": "{{foreign_cursor}}"},
        ),
        Request(
            "Delete the contract", "DELETE contracts/{id}/", "Tidying up: only management deletes what is signed.", 204,
            role="management", headers=_REASON,
        ),
        Request(
            "Delete the client", "DELETE clients/{id}/", "Tidying up.", 204, role="management",
            headers=_REASON,
        ),
    ),
    prefix="refusals",
)  # fmt: skip
