// pouchdb-server where CouchDB would be: the same ports, the same administrator, the data in the
// same volume, and what it lacks of CouchDB (`/_up`, metrics) answered here.
const { spawn } = require("child_process");
const fs = require("fs");
const http = require("http");

const etc = "/opt/couchdb/etc/local.d";
fs.writeFileSync(
  `${etc}/config.json`,
  JSON.stringify({ admins: { [process.env.COUCHDB_USER]: process.env.COUCHDB_PASSWORD } }),
);
const pouchdb = spawn(
  "node",
  ["/standin/node_modules/.bin/pouchdb-server", "--port=5985", "--host=127.0.0.1", "--no-color",
    "--dir=/opt/couchdb/data", `--config=${etc}/config.json`],
  { cwd: "/tmp", stdio: "inherit" },
);
pouchdb.on("exit", (code) => process.exit(code ?? 1));
process.on("SIGTERM", () => pouchdb.kill("SIGTERM"));

function forward(request, answer) {
  const { method, headers } = request;
  const path = request.url === "/_up" ? "/" : request.url;
  const onward = http.request({ port: 5985, method, path, headers }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  });
  onward.on("error", () => answer.writeHead(503).end());
  request.pipe(onward);
}

http.createServer(forward).listen(5984, "0.0.0.0");
http
  .createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/plain; version=0.0.4");
    answer.end("# TYPE couchdb_standin gauge\ncouchdb_standin 1\n");
  })
  .listen(17986, "0.0.0.0");
