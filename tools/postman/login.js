// The Authorization of a request, or of its folder, names the token, such as {{sales_access}}. This script logs in if
// there is no such token yet, and refreshes it shortly before it expires after ten minutes. Tokens are kept in the
// collection's variables on this machine only, and are never written to a file.
const folders = FOLDERS;
const MINUTES = 9;

function wantedRole() {
    const auth = pm.request.auth;
    if (!auth) return folders[pm.execution.location[1]];
    const named = /\{\{(\w+)_access\}\}/.exec(JSON.stringify(auth));
    return named ? named[1] : undefined;
}

function setting(name) {
    return pm.variables.replaceIn(pm.variables.get(name) || "");
}

function exchange(path, body, done) {
    const request = {
        url: setting("base_url") + path,
        method: "POST",
        header: { "Content-Type": "application/json" },
        body: { mode: "raw", raw: JSON.stringify(body) },
    };
    pm.sendRequest(request, (error, answer) => done(error, answer));
}

function keep(role, answer) {
    const { access, refresh } = answer.json();
    pm.collectionVariables.set(`${role}_access`, access);
    pm.collectionVariables.set(`${role}_refresh`, refresh);
    pm.collectionVariables.set(`${role}_until`, Date.now() + MINUTES * 60 * 1000);
    pm.collectionVariables.set(`${role}_account`, account(role));
}

function account(role) {
    return `${setting(`${role}_username`)} at ${setting("base_url")}`;
}

function logIn(role) {
    const login = { username: setting(`${role}_username`), password: setting(`${role}_password`) };
    if (!login.username) throw new Error(`Choose an environment with ${role}_username and ${role}_password.`);
    exchange("/users/login/", login, (error, answer) => {
        if (!error && answer.code === 200) keep(role, answer);
        else console.error(`${login.username} can't log in:`, error || answer.json().detail);
    });
}

function refresh(role) {
    exchange("/users/refresh/", { refresh: setting(`${role}_refresh`) }, (error, answer) => {
        if (error || answer.code !== 200) logIn(role);
        else keep(role, answer);
    });
}

const role = wantedRole();
pm.variables.set("role", role || "");
if (role) {
    const isSameAccount = setting(`${role}_account`) === account(role);
    if (!isSameAccount || !setting(`${role}_refresh`)) logIn(role);
    else if (Date.now() > Number(setting(`${role}_until`))) refresh(role);
}
