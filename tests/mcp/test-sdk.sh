#!/bin/bash
# `coppice mcp` under the official TypeScript SDKs, with a real daemon. Skipped, and counted as such, without node or the packages
# (`make deps-agents`); COPPICE_NODE_MODULES names another folder of them.
. "$(dirname "$0")/../e2e/lib.sh"

# Where the machine's node is old, that one.
[ ! -d "${COPPICE_SOURCE:?}/tests/agents/.node/bin" ] || PATH=$COPPICE_SOURCE/tests/agents/.node/bin:$PATH
MODULES=${COPPICE_NODE_MODULES:-$COPPICE_SOURCE/tests/agents/node_modules}
CLIENT=$COPPICE_SOURCE/tests/mcp/sdk/client.mjs

# A session at work in a folder of its own, beside a script peer that answers one ask.
session() {
	mkdir -p "$T/b"
	# shellcheck disable=SC2016
	coppice spawn "$T/b" --backend script -- sh -c \
		'coppice ack "$(coppice inbox --wait=60 --json | sed -n "s/.*\"id\":\"\(ask-[0-9a-z]*\)\".*/\1/p")" forty-two; coppice inbox --wait=60' >/dev/null
	make_repo
	node "$CLIENT" "$MODULES" "$BINARY" "$1"
}

test_the_v1_sdk_works_in_the_era_of_2025() {
	session v1
}

test_the_v2_sdk_works_in_the_era_of_2025() {
	session v2-legacy
}

test_the_v2_sdk_finds_the_era_of_2026() {
	session v2-auto
}

test_the_v2_sdk_works_in_the_era_of_2026_alone() {
	session v2-modern
}

test_outside_of_peers_every_tool_answers_as_its_schema_says() {
	make_repo
	node "$CLIENT" "$MODULES" "$BINARY" everyone
}

test_D2_a_session_outlives_a_daemon_that_was_killed() {
	make_repo
	node "$CLIENT" "$MODULES" "$BINARY" restart
}

if [ $# = 0 ] && ! { command -v node && [ -d "$MODULES/@modelcontextprotocol/client" ]; } >/dev/null; then
	echo "1..1"
	echo "ok 1 - sdk # SKIP node or the MCP packages are missing: make deps-agents"
	exit 0
fi
run_tests "$@"
