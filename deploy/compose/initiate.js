// Makes the replica set and its users where they are not there. It runs beside
// mongodb-1, on its loopback address: MongoDB lets the first user be made from there.
const {readFileSync} = require("node:fs");
const folder = process.env.SECRETS ?? "/secrets";
const password = (user) => readFileSync(`${folder}/${user}-password`, "utf8").trim();
const members = (process.env.MEMBERS ?? "mongodb-1:27017,mongodb-2:27017,mongodb-3:27017").split(",");
const admin = db.getSiblingDB("admin");

function known() {
  try {
    return admin.auth("root", password("root")).ok === 1;
  } catch {
    return false;
  }
}

function initiate() {
  try {
    // The first is preferred as primary: it is where users can be made.
    rs.initiate({_id: "sheaf", members: members.map((host, _id) => ({_id, host, priority: _id === 0 ? 2 : 1}))});
  } catch (e) {
    if (e.codeName !== "AlreadyInitialized") throw e;
  }
}

function awaitPrimary() {
  while (!db.hello().isWritablePrimary) sleep(200);
}

if (!known()) {
  initiate();
  awaitPrimary();
  admin.createUser({user: "root", pwd: password("root"), roles: ["root"]});
  admin.auth("root", password("root"));
}
awaitPrimary();
if (admin.getUser("sheaf") === null) {
  // readWrite holds no collMod, by which validators are set.
  admin.createUser({user: "sheaf", pwd: password("sheaf"), roles: [{role: "readWrite", db: "sheaf"}, {role: "dbAdmin", db: "sheaf"}]});
}
print("the replica set has a primary, and its users");
