// After a 401 the session has ended (by a new password, or by "log out everywhere"), so the next request logs in again.
const role = pm.variables.get("role");
if (role && pm.response.code === 401) pm.collectionVariables.set(`${role}_refresh`, "");
pm.test("It is no error of the server", () => pm.expect(pm.response.code).to.be.below(500));
