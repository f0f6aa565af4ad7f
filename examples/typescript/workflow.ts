// The eight steps of Epic Events' workflow, and the error handling of an app on a bad network.
// openapi-typescript generates the types from docs/openapi.yaml, and openapi-fetch sends the requests.
//
//   npm ci && npm run generate && npm run check && npm start
//
// Start scripts/run first. The environment variables API and PASSWORD choose another server and password.

import { randomUUID } from "node:crypto";
import createClient, { type Client, type Middleware } from "openapi-fetch";
import type { components, paths } from "./epic-events.js";

type Api = Client<paths>;
type Problem = components["schemas"]["Problem"];

const server = process.env.API ?? "http://127.0.0.1:8000";
const password = process.env.PASSWORD ?? "Epic-Events-2026!"; // The password of all demo accounts.

/** Logs a user in. Returns an API client with the user's token, which expires after ten minutes. */
async function logIn(username: string): Promise<Api> {
  const api = createClient<paths>({ baseUrl: server });
  const { access } = expect(await api.POST("/api/v1/users/login/", { body: { username, password } }));
  const authorize: Middleware = {
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${access}`);
      return request;
    },
  };
  api.use(authorize);
  return api;
}

/** Returns the data of a successful answer. Throws otherwise. */
function expect<Data>(answer: { data?: Data; error?: Problem; response: Response }): Data {
  if (answer.error) throw new Error(`${answer.response.status}: ${answer.error.detail}`);
  return answer.data as Data;
}

/** Returns the problem document of a refusal with this status. Throws otherwise. */
function expectRefusal<Refusal extends Problem>(
  status: number,
  answer: { error?: Refusal; response: Response },
): Refusal {
  if (answer.response.status !== status || !answer.error) throw new Error(`${answer.response.status} is not ${status}`);
  return answer.error;
}

function assert(isTrue: boolean, sentence: string): asserts isTrue {
  if (!isTrue) throw new Error(`It should be true that ${sentence}.`);
}

const sales = await logIn("oc-salesman");
const support = await logIn("oc-supporttech");
const management = await logIn("oc-manager");

// 1. Sales adds a prospect. The request has a key, because the answer may get lost.
//    A retry with the same key gets the first answer again, and creates no second prospect.
const prospect = {
  params: { header: { "Idempotency-Key": randomUUID() } },
  body: {
    company_name: "Maison Lumen",
    first_name: "Inès",
    last_name: "Garnier",
    email: `ines@${randomUUID()}.example`,
  },
};
let client = expect(await sales.POST("/api/v1/clients/", prospect));
const repeated = await sales.POST("/api/v1/clients/", prospect);
assert(expect(repeated).id === client.id, "a repeat makes nothing new");
assert(repeated.response.headers.get("Idempotency-Replayed") === "true", "a repeat is called one");
console.log(`1. ${client.company_name} is a ${client.status}.`);

// 2. Sales turns the prospect into a client. If-Match refuses this if another user has changed it in the meantime.
const path = { id: client.id };
const { response } = await sales.GET("/api/v1/clients/{id}/", { params: { path } });
const tag = response.headers.get("ETag") ?? "";
const header = { "If-Match": tag };
client = expect(await sales.PATCH("/api/v1/clients/{id}/", { params: { path, header }, body: { status: "client" } }));
console.log(`2. It is a ${client.status} now.`);

//    Another change with the same, now old, tag is refused with 412. The answer names the changed fields.
const stale = expectRefusal(
  412,
  await sales.PATCH("/api/v1/clients/{id}/", { params: { path, header }, body: { phone: "+33199004117" } }),
);
assert("changed" in stale && stale.version === client.version, "a 412 tells the present version");
console.log(`   ${stale.detail} What has changed: ${stale.changed?.join(", ")}.`);

// 3. Sales creates a contract.
let contract = expect(
  await sales.POST("/api/v1/clients/{client}/contracts/", {
    params: { path: { client: client.id }, header: { "Idempotency-Key": randomUUID() } },
    body: { name: "Centenary gala", amount: "48000.00", payment_due: "2027-09-30" },
  }),
);
console.log(`3. ${contract.name} for ${contract.amount} ${contract.currency} is a ${contract.status}.`);

// 4. Sales marks the contract signed. Changing its amount is now refused with 409 and the name of the rule.
const ofContract = { params: { path: { id: contract.id } } };
contract = expect(await sales.PATCH("/api/v1/contracts/{id}/", { ...ofContract, body: { status: "signed" } }));
const frozen = expectRefusal(
  409,
  await sales.PATCH("/api/v1/contracts/{id}/", { ...ofContract, body: { amount: "1.00" } }),
);
assert("rule" in frozen && frozen.rule === "contract_signed_amount_frozen", "a 409 names its rule");
console.log(`4. It was signed at ${contract.signed_at}. ${frozen.detail}`);

// 5. Sales creates an event and gives it to support.
const colleagues = expect(await sales.GET("/api/v1/users/support-contacts/")).results;
const karin = colleagues.find(({ name }) => name === "Karin Vogel");
assert(karin !== undefined, "Karin Vogel is of support");
let event = expect(
  await sales.POST("/api/v1/clients/{client}/contracts/{contract}/events/", {
    params: { path: { client: client.id, contract: contract.id }, header: { "Idempotency-Key": randomUUID() } },
    body: { name: "Centenary gala", starts_at: "2027-10-09T18:00:00Z", attendees: 240, support_contact_id: karin.id },
  }),
);
console.log(`5. ${event.name} is ${event.support_contact?.name}'s.`);

// 6. Support reads the event.
const ofEvent = { params: { path: { id: event.id } } };
event = expect(await support.GET("/api/v1/events/{id}/", ofEvent));
console.log(`6. ${event.attendees} people come to ${event.client.company_name}'s ${event.name}.`);

// 7. Support starts the event, then closes it.
for (const status of ["in_progress", "closed"] as const) {
  event = expect(await support.PATCH("/api/v1/events/{id}/", { ...ofEvent, body: { status } }));
  console.log(`7. It is ${event.status}.`);
}

// 8. Management reopens the event, with a reason. Sales may not: the answer is 403 with the name of the rule.
// `fetch` sends Latin letters only, so the reason is encoded as RFC 8187 says.
const reason = "Le traiteur n'a pas été payé : il manque 500 €";
const header8 = { "X-Change-Reason": "UTF-8''" + encodeURIComponent(reason) };
const reopening = { params: { ...ofEvent.params, header: header8 }, body: { status: "in_progress" as const } };
const refused = expectRefusal(403, await sales.PATCH("/api/v1/events/{id}/", reopening));
assert("rule" in refused, "a 403 names its rule");
event = expect(await management.PATCH("/api/v1/events/{id}/", reopening));
const [newest] = expect(await management.GET("/api/v1/events/{id}/history/", ofEvent)).results;
assert(newest?.reason === reason, "the history has the reason as it was written");
console.log(`8. ${refused.detail} (${refused.rule}) Management has reopened it: ${event.status}.`);

// Fills a copy of the visible rows that an app keeps offline: first all rows, page by page, later only the changes.
const copy = new Map<string, unknown>();
let cursor: string | undefined;
async function synchronize(): Promise<number> {
  for (let seen = 0; ; ) {
    const page = expect(await support.GET("/api/v1/sync/", { params: { query: cursor ? { cursor } : {} } }));
    for (const change of page.changes) {
      const key = `${change.type} ${change.id}`;
      if (change.op === "upsert") copy.set(key, change.data);
      else copy.delete(key);
    }
    [cursor, seen] = [page.next, seen + page.changes.length];
    if (!page.has_more) return seen;
  }
}
const all = await synchronize();
expect(await support.PATCH("/api/v1/events/{id}/", { ...ofEvent, body: { status: "closed" } }));
const changed = await synchronize();
assert(changed >= 1 && changed < all && copy.has(`event ${event.id}`), "the second time only changes come");
console.log(`Offline copy: ${all} rows at first, then ${changed} changed.`);
