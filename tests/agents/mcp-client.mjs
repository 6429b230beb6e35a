// Talks to `coppice mcp` through one of MCP's own client libraries, and prints what comes of it as one JSON object:
//	node mcp-client.mjs sdk|client|client-2026 CALLS COMMAND [ARGUMENT…]
// CALLS is a JSON list of [tool, arguments]. `sdk` is the library of the older era, `client` the one of both.
const [which, calls, command, ...args] = process.argv.slice(2);
const library = which === 'sdk' ? '@modelcontextprotocol/sdk/client' : '@modelcontextprotocol/client';
const { Client } = await import(which === 'sdk' ? `${library}/index.js` : library);
const { StdioClientTransport } = await import(which === 'sdk' ? `${library}/stdio.js` : `${library}/stdio`);

const mode = { client: 'auto', 'client-2026': { pin: '2026-07-28' } }[which];
const options = mode ? { versionNegotiation: { mode } } : {};
const client = new Client({ name: 'coppice-test', version: '1' }, { capabilities: {}, ...options });
const transport = new StdioClientTransport({ command, args, env: process.env });
await client.connect(transport);
const { tools } = await client.listTools();
const results = [];
for (const [name, values] of JSON.parse(calls)) {
  try {
    results.push(await client.callTool({ name, arguments: values }));
  } catch (error) {
    results.push({ thrown: String(error.message), code: error.code });
  }
}
const version = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? null;
console.log(JSON.stringify({ server: client.getServerVersion(), version, instructions: client.getInstructions(), tools, results }));
await client.close();
