// A login that has ended (by a new password, or by "log out everywhere") is begun anew by the next request.
const role = pm.variables.get("role");
if (role && pm.response.code === 401) pm.collectionVariables.set(`${role}_refresh`, "");
pm.test("It is no error of the server", () => pm.expect(pm.response.code).to.be.below(500));
