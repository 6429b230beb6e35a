// The official TypeScript SDKs as clients of `coppice mcp`: v1 (2025-11-25), and v2 in both eras. It checks what it gets
// itself; the SDKs check the protocol, and each answer against the schema that its tool promised.
//
//   node client.mjs MODULES COPPICE SCENARIO      MODULES: the folder node_modules that holds @modelcontextprotocol/*
//
// Scenarios: v1, v2-legacy, v2-auto, v2-modern (a worker's session each), everyone (outside of peers), restart.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, coppice, scenario] = process.argv.slice(2);
const require = createRequire(join(modules, "..", "client.cjs"));

const WORKER = ["ack", "ask", "job_status", "job_update", "list_peers", "notify_peer", "set_description", "wait_on_ack", "whoami"];

function sdk1(name) {
  const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
  return { client: new Client({ name, version: "1" }), Transport: StdioClientTransport };
}

function sdk2(name, mode) {
  const { Client } = require("@modelcontextprotocol/client");
  const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");
  const client = new Client({ name, version: "1" }, { versionNegotiation: { mode } });
  return { client, Transport: StdioClientTransport };
}

async function connected({ client, Transport }, args = []) {
  const transport = new Transport({ command: coppice, args: ["mcp", ...args], env: process.env, stderr: "inherit" });
  const errors = [];
  client.onerror = (e) => errors.push(e);
  await client.connect(transport);
  return { client, transport, errors };
}

const text = (result) => result.content.map((c) => c.text).join("");

async function call(client, name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, `${name}: ${text(result)}`);
  assert.equal(typeof result.structuredContent, "object", name);
  assert.ok(text(result).length > 0, name);
  return result.structuredContent;
}

// What a worker does in a day. The script peer `b` answers one ask by "forty-two".
async function work(client) {
  const { tools } = await client.listTools();
  const names = tools.map((t) => t.name);
  for (const name of WORKER) assert.ok(names.includes(name), name);
  assert.ok(!names.includes("land") && names.length <= 12, `a worker's tools: ${names}`);
  assert.ok(tools.every((t) => t.outputSchema && t.annotations && t.description));

  const me = await call(client, "whoami");
  assert.equal(me.role, "agent");
  assert.equal(me.backend, "claude-code");
  assert.equal(me.path, process.cwd());
  assert.equal((await call(client, "set_description", { description: "an SDK at work" })).description, "an SDK at work");

  const { peers } = await call(client, "list_peers");
  assert.deepEqual(peers.map((p) => p.name).sort(), ["b", me.name].sort());

  const ask = await call(client, "ask", { peer_name: "b", query: "what is <it>?" });
  assert.match(ask.correlation_id, /^ask-/);
  let end;
  do end = await call(client, "wait_on_ack", { correlation_id: ask.correlation_id, timeout_seconds: 20 });
  while (!end.outcome);
  assert.equal(end.outcome, "replied");
  assert.match(end.reply, /^<coppice-message id="ask-.* says="peer">\nforty-two\n<\/coppice-message>$/);

  const nobody = await client.callTool({ name: "notify_peer", arguments: { peer_name: "nobody", message: "x" } });
  assert.equal(nobody.isError, true);
  assert.match(text(nobody), /list_peers/);
  const wrong = await client.callTool({ name: "wait_on_ack", arguments: { correlation_id: ask.correlation_id, nonsense: 1 } });
  assert.equal(wrong.isError, true);
  const forbidden = await client.callTool({ name: "land", arguments: { branches: ["main"] } });
  assert.equal(forbidden.isError, true);
  assert.match(text(forbidden), /whoami/);
  await assert.rejects(client.callTool({ name: "nonsense", arguments: {} }), /nonsense/);
}

async function worker(made, version) {
  const { client, errors } = await connected(made);
  const negotiated = client.getNegotiatedProtocolVersion?.() ?? client.transport?._protocolVersion;
  if (version && negotiated) assert.equal(negotiated, version);
  assert.equal(client.getServerVersion()?.name, "coppice");
  assert.match(client.getInstructions(), /wait_on_ack/);
  assert.ok(client.getServerCapabilities().tools);
  await work(client);
  await client.close();
  assert.deepEqual(errors, []);
}

// Outside of peers: all tools, and every one that only reads answers as its schema says.
async function everyone() {
  const { client } = await connected(sdk2("somebody", "auto"));
  const { tools } = await client.listTools();
  for (const name of ["ask", "land", "plan_run", "worktree_list", "plan_cancel"]) assert.ok(tools.some((t) => t.name === name), name);
  assert.ok(!tools.some((t) => ["stop", "register_peer", "inbox"].includes(t.name)));
  assert.equal((await call(client, "whoami")).role, "service");
  const job = await call(client, "job_create", { title: "one", text: "two\nlines" });
  const needs = { job_status: { job_id: job.job_id }, job_result: { job_id: job.job_id } };
  for (const tool of tools.filter((t) => t.annotations.readOnlyHint)) await call(client, tool.name, needs[tool.name]);
  assert.equal((await call(client, "worktree_create", { branch: "feat/sdk" })).branch, "feat/sdk");
  const { worktrees } = await call(client, "worktree_list");
  assert.ok(worktrees.some((w) => w.branch === "feat/sdk"));
  assert.equal((await call(client, "worktree_remove", { branches: ["feat/sdk"] })).removed[0].branch, "feat/sdk");
  assert.equal((await call(client, "job_cancel", { job_id: job.job_id })).state, "cancelled");
  await client.close();
}

// A daemon that is killed under a session, and started again from outside, is found again; nothing happens twice.
async function restart() {
  const { client } = await connected(sdk2("claude-code", "auto"));
  await client.listTools();
  const before = await call(client, "whoami");
  const status = JSON.parse(execFileSync(coppice, ["status", "--json"]));
  process.kill(status.pid, "SIGKILL");
  const sent = client.callTool({ name: "notify_peer", arguments: { peer_name: "human", message: "still here" } });
  execFileSync(coppice, ["status"]);
  assert.ok(!(await sent).isError, text(await sent));
  assert.equal((await call(client, "whoami")).peer_id, before.peer_id);
  await client.close();
}

const scenarios = {
  v1: () => worker(sdk1("claude-code"), "2025-11-25"),
  "v2-legacy": () => worker(sdk2("claude-code", "legacy"), "2025-11-25"),
  "v2-auto": () => worker(sdk2("claude-code", "auto"), "2026-07-28"),
  "v2-modern": () => worker(sdk2("claude-code", { pin: "2026-07-28" }), "2026-07-28"),
  everyone,
  restart,
};
await scenarios[scenario]();
