"""A folder of the Postman collection that exceeds a rate limit.

A run of the whole collection leaves this folder out.
"""

from checks import has_header
from folders import Folder, Request

# This script provokes a 429: a partner may send 300 writes in a minute, and the script sends more.
# The script's requests are invalid (400), so the server writes nothing.
_FLOOD = """
const url = pm.variables.replaceIn("{{base_url}}/users/me/");
const token = pm.collectionVariables.get("partner_access");
const write = {
    url, method: "PATCH",
    header: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: { mode: "raw", raw: pm.request.body.raw },
};
const MAX_REQUESTS = 600;
let sent = 0, answered = 0, refusal = null;

function report() {
    pm.test("Too many are refused with 429", () => pm.expect(refusal && refusal.code).to.eql(429));
    const seconds = Number(refusal.headers.get("Retry-After"));
    pm.test("Retry-After says for how many seconds to wait", () => pm.expect(seconds).to.be.above(0));
    pm.test("code is throttled", () => pm.expect(refusal.json().code).to.eql("throttled"));
}

function send() {
    if (refusal || sent === MAX_REQUESTS) return;
    sent += 1;
    pm.sendRequest(write, (error, answer) => {
        answered += 1;
        if (refusal) return;
        if (!error && answer.code === 429) refusal = answer;
        if (refusal || answered === MAX_REQUESTS) report();
        else send();
    });
}

if (/127\\.0\\.0\\.1|localhost/.test(url)) for (let line = 0; line < 10; line += 1) send();
else pm.test.skip("Only a server on this machine is flooded");
""".strip()

RATE_LIMIT = Folder(
    "The rate limit",
    "Exceeds the limit of a partner's writes, so that the partner's account is refused for up to a minute. A run of "
    "the whole collection leaves this folder out: run it by itself, or send its request.",
    (
        Request(
            "429: too many requests", "PATCH users/me/",
            "Its test sends the same again until the limit of a partner's writes is reached, if the server is one on "
            "this machine. `Retry-After` says for how many seconds to wait: an app waits, and doesn't try sooner. Each "
            "answer tells in `RateLimit` how many requests are left.",
            429, body={"nothing": 0}, tests=(has_header("RateLimit"), _FLOOD),
        ),
    ),
    role="partner",
    is_left_out=True,
)  # fmt: skip
