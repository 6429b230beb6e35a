#!/bin/bash
# The official MCP conformance suite, the scenarios of it that are for any server with tools. The others want tools, prompts and
# resources of the suite's own making, which we do not have. It speaks HTTP only: sdk/bridge.mjs stands between.
. "$(dirname "$0")/../e2e/lib.sh"

# Where the machine's node is old, that one.
[ ! -d "${COPPICE_SOURCE:?}/tests/agents/.node/bin" ] || PATH=$COPPICE_SOURCE/tests/agents/.node/bin:$PATH
MODULES=${COPPICE_NODE_MODULES:-$COPPICE_SOURCE/tests/agents/node_modules}
SUITE=$MODULES/@modelcontextprotocol/conformance/dist/index.js

scenario() {
	coppice status >/dev/null
	mkfifo "$T/stop" "$T/url"
	node "$COPPICE_SOURCE/tests/mcp/sdk/bridge.mjs" "$BINARY" <"$T/stop" >"$T/url" &
	exec 7>"$T/stop" 8<"$T/url"
	read -r url <&8
	code=0
	node "$SUITE" server --url "$url" --scenario "$1" --output-dir "$T/results" || code=$?
	exec 7>&-
	wait
	same "$code" 0
}

test_server_initialize() {
	scenario server-initialize
}

test_ping() {
	scenario ping
}

test_tools_list() {
	scenario tools-list
}

# The suite needs a newer node than the SDKs: fs.globSync came with 22.
if [ $# = 0 ] && ! { [ -e "$SUITE" ] && node -e 'process.exit(require("fs").globSync ? 0 : 1)'; } 2>/dev/null; then
	echo "1..1"
	echo "ok 1 - conformance # SKIP the conformance suite or a node that it runs on is missing: make deps-agents"
	exit 0
fi
run_tests "$@"
