// Runs before each request: logs in, and stops a request that can't succeed, with a sentence that says why.
//
// The Authorization of a request, or of its folder, names a token, such as {{sales_access}}.
// This script logs in if the token doesn't exist yet, and refreshes it shortly before it expires after ten minutes.
// Tokens are kept in the collection's variables on this machine only, and are never written to a file.
//
// Name of a top folder -> its role, the request that sets each variable, the variables that each request needs, and
// true if a run of the whole collection leaves the folder out.
const FOLDERS = {};
const MINUTES = 9;
const topFolder = pm.execution.location[1];
const { role: folderRole, makers, needs, isLeftOut } = FOLDERS[topFolder] || { makers: {}, needs: {} };

function setting(name) {
    return pm.variables.replaceIn(pm.variables.get(name) || "");
}

const address = setting("base_url");

function stop(sentence) {
    console.error(sentence);
    pm.test("The request can be sent", () => pm.expect.fail(sentence));
    pm.execution.skipRequest();
}

function stopForAddress(found) {
    stop(`${pm.variables.get("wrong_address")} ${found}`.trim());
}

// Local variables (pm.variables) end with the run, or with a request that is sent by itself.
function isLeftOutHere() {
    if (!pm.variables.get("run_begins_in")) pm.variables.set("run_begins_in", topFolder);
    return isLeftOut && pm.variables.get("run_begins_in") !== topFolder;
}

function missing(request) {
    return (needs[request] || []).filter((name) => setting(name) === "");
}

// Returns the request to send first. The recursion ends, because collection.py lets requests need only earlier ones.
function firstToSend(request) {
    const [name] = missing(request);
    return name ? firstToSend(makers[name]) : request;
}

function wantedRole() {
    const auth = pm.request.auth;
    if (!auth) return folderRole;
    const named = /\{\{(\w+)_access\}\}/.exec(JSON.stringify(auth));
    return named ? named[1] : undefined;
}

// Returns the body of an answer, or {} if it isn't JSON, as for a server that isn't the API.
function content(answer) {
    try {
        return answer.json();
    } catch (error) {
        return {};
    }
}

function send(method, path, body, done) {
    const request = {
        url: address + path,
        method,
        header: { "Content-Type": "application/json" },
        body: body && { mode: "raw", raw: JSON.stringify(body) },
    };
    pm.sendRequest(request, (error, answer) => {
        if (error) stopForAddress(`It doesn't answer: ${error.code || error.message}.`);
        else done(answer);
    });
}

// Empties the variables with ids after a change of the server, because ids mean other rows there.
function forgetRows() {
    const names = Object.values(FOLDERS).flatMap((folder) => Object.keys(folder.makers));
    names.forEach((name) => pm.collectionVariables.set(name, ""));
}

// Checks that the API answers at this address, once for each address, by its list of endpoints.
function checkAddress(done) {
    if (!address) return stopForAddress("");
    if (setting("answering_address") === address) return done();
    return send("GET", "/", undefined, (answer) => {
        if (!content(answer).endpoints) return stopForAddress(`It answers ${answer.code}.`);
        pm.collectionVariables.set("answering_address", address);
        forgetRows();
        return done();
    });
}

function keep(role, tokens) {
    pm.collectionVariables.set(`${role}_access`, tokens.access);
    pm.collectionVariables.set(`${role}_refresh`, tokens.refresh);
    pm.collectionVariables.set(`${role}_until`, Date.now() + MINUTES * 60 * 1000);
    pm.collectionVariables.set(`${role}_account`, account(role));
}

function account(role) {
    return `${setting(`${role}_username`)} at ${address}`;
}

function logIn(role) {
    const login = { username: setting(`${role}_username`), password: setting(`${role}_password`) };
    if (!login.username) stop(`Choose an environment with ${role}_username and ${role}_password at the top right.`);
    else send("POST", "/users/login/", login, (answer) => {
        const said = content(answer);
        if (answer.code === 200) return keep(role, said);
        const reason = said.detail || `the answer is ${answer.code}.`;
        return stop(`${login.username} can't log in: ${reason} Check ${role}_username and ${role}_password.`);
    });
}

function refresh(role) {
    send("POST", "/users/refresh/", { refresh: setting(`${role}_refresh`) }, (answer) => {
        if (answer.code === 200) keep(role, content(answer));
        else logIn(role);
    });
}

function prepare() {
    const role = wantedRole();
    const first = firstToSend(pm.info.requestName);
    pm.variables.set("role", role || "");
    if (first !== pm.info.requestName) return stop(`Send "${first}" of the folder "${topFolder}" first.`);
    if (!role) return undefined;
    const isSameAccount = setting(`${role}_account`) === account(role);
    if (!isSameAccount || !setting(`${role}_refresh`)) return logIn(role);
    return Date.now() > Number(setting(`${role}_until`)) ? refresh(role) : undefined;
}

const named = address ? `${address} isn't the address of Epic Events' API` : "base_url is empty";
pm.variables.set(
    "wrong_address",
    `${named}. Choose an environment at the top right, or set its variable base_url to an address such as ` +
        "http://127.0.0.1:8000/api/v1, where scripts/run serves the API.",
);
if (isLeftOutHere()) {
    pm.test.skip(`A run of the whole collection leaves out "${topFolder}": run it by itself`, () => {});
    pm.execution.skipRequest();
} else checkAddress(prepare);
