// Runs after each request, before its own tests.
const role = pm.variables.get("role");
const code = pm.response ? pm.response.code : undefined;
const type = (code && pm.response.headers.get("Content-Type")) || "";
const isProblem = type.includes("application/problem+json");

function isOfTheApi() {
    if (code >= 400) return isProblem;
    return code === 204 || code === 304 || type.includes("application/json");
}

// A 401 means that the session has ended, by a new password or by "log out everywhere". So the next request logs in.
if (role && code === 401) pm.collectionVariables.set(`${role}_refresh`, "");

const found = code ? `It answers ${code} with ${type || "no content"}.` : "It doesn't answer.";
pm.test("Epic Events' API answers", () => {
    if (!isOfTheApi()) pm.expect.fail(`${pm.variables.get("wrong_address")} ${found}`);
});
pm.test("It is no error of the server", () => pm.expect(code).to.be.below(500));

// The test of the status shows this sentence if it fails.
const folder = pm.execution.location[1];
const again = `If a step was left out or its row is gone, send the folder "${folder}" from its beginning.`;
pm.variables.set("refusal", isProblem ? `${pm.response.json().detail} ${again}` : "");
