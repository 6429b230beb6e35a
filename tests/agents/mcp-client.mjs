// Talks to `coppice mcp` through one of MCP's own client libraries, and prints what comes of it as one JSON object a line:
//	node mcp-client.mjs sdk|client|client-2026 NAME CALLS COMMAND [ARGUMENT…]
// NAME is how the client names itself, CALLS a JSON list of [tool, arguments]. `sdk` is the library of the older era, `client` the one of
// both. Each further line is the list of tools that the server has told of since, until the input ends.
const [which, name, calls, command, ...args] = process.argv.slice(2);
const library = which === 'sdk' ? '@modelcontextprotocol/sdk/client' : '@modelcontextprotocol/client';
const { Client } = await import(which === 'sdk' ? `${library}/index.js` : library);
const { StdioClientTransport } = await import(which === 'sdk' ? `${library}/stdio.js` : `${library}/stdio`);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const mode = { client: 'auto', 'client-2026': { pin: '2026-07-28' } }[which];
const options = mode ? { versionNegotiation: { mode } } : {};
const onChanged = (error, tools) => print(error ? { thrown: String(error.message) } : { tools });
const listChanged = { tools: { onChanged, debounceMs: 0 } };
const client = new Client({ name, version: '1' }, { capabilities: {}, listChanged, ...options });
const transport = new StdioClientTransport({ command, args, env: process.env });
await client.connect(transport);
const { tools } = await client.listTools();
const results = [];
for (const [tool, values] of JSON.parse(calls)) {
  try {
    results.push(await client.callTool({ name: tool, arguments: values }));
  } catch (error) {
    results.push({ thrown: String(error.message), code: error.code });
  }
}
const version = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? null;
print({ server: client.getServerVersion(), version, instructions: client.getInstructions(), tools, results });
for await (const _ of process.stdin);
await client.close();
