// `coppice mcp` behind streamable HTTP on loopback, for the conformance suite, which speaks nothing else: a process of it for
// each HTTP session, requests one to one. Prints its URL and ends with its input.
//
//   node bridge.mjs COPPICE [ARGUMENT…]
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { randomUUID } from "node:crypto";

const [coppice, ...args] = process.argv.slice(2);
const sessions = new Map();

function begin() {
  const child = spawn(coppice, ["mcp", ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const session = { id: randomUUID(), child, waiting: new Map() };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = JSON.parse(line);
    session.waiting.get(JSON.stringify(message.id))?.(line);
    session.waiting.delete(JSON.stringify(message.id));
  });
  sessions.set(session.id, session);
  return session;
}

function end(session) {
  sessions.delete(session.id);
  session.child.stdin.end();
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const known = sessions.get(request.headers["mcp-session-id"]);
  if (request.method === "DELETE" && known) end(known);
  if (request.method !== "POST") return response.writeHead(request.method === "DELETE" ? 200 : 405).end();
  const message = JSON.parse(body);
  const session = known ?? (message.method === "initialize" ? begin() : undefined);
  if (!session) return response.writeHead(404).end();
  if (message.id === undefined || !message.method) {
    session.child.stdin.write(JSON.stringify(message) + "\n");
    return response.writeHead(202).end();
  }
  const answer = new Promise((resolve) => session.waiting.set(JSON.stringify(message.id), resolve));
  session.child.stdin.write(JSON.stringify(message) + "\n");
  response.writeHead(200, { "Content-Type": "application/json", "Mcp-Session-Id": session.id }).end(await answer);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
process.stdin.resume().on("end", () => {
  for (const session of sessions.values()) end(session);
  server.closeAllConnections();
  server.close();
});
