/* The evidence of who calls (I2), collected from the kernel: the process chain of the connection's peer
 * credentials, its session leader, its environment. mesh/identity.c decides. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "daemon/conn.h"
#include "os/file.h"
#include "os/sandbox.h"

static bool is_tmux_server(pid_t pid)
{
	autofree char *path = xasprintf("/proc/%d/comm", (int)pid);
	autostrbuf comm = STRBUF_INIT(64);
	return file_read(path, &comm, NULL) == 0 && strncmp(strbuf_str(&comm), "tmux: server", 12) == 0;
}

static void look_closer(struct conn *conn, struct identity_evidence *evidence)
{
	autofree char *mark = NULL;
	struct proc_stat leader;
	proc_environ(conn->pid, "COPPICE_PEER", &mark, &evidence->marked);
	(void)snprintf(conn->mark, sizeof(conn->mark), "%s", mark ? mark : "");
	evidence->confined = sandbox_holds(conn->pid);
	if (conn->chain.n && proc_stat(conn->chain.at[0].sid, &leader, NULL) == 0)
		evidence->leader_start = leader.start_time;
	for (size_t i = 0; i < conn->chain.n && !evidence->terminal_server; i++)
		evidence->terminal_server = is_tmux_server(conn->chain.at[i].pid);
}

void identify(struct daemon *d, struct conn *conn)
{
	if (conn->generation == d->generation)
		return;
	bool known = conn->has_chain;
	if (!known)
		conn->has_chain = proc_chain(conn->pid, &conn->chain, NULL) == 0;
	struct identity_evidence evidence = {
		.token = conn->token, .session = conn->session, .confined = TRUTH_UNKNOWN};
	char peer[ID_SIZE];
	if (conn->has_chain && !identity_enclosing(d->store, &conn->chain, 0, evidence.session, peer))
		look_closer(conn, &evidence);
	/* What was looked up by the number is the caller's only if the caller was there all the while. */
	if (!proc_lives(conn->pidfd)) {
		conn->has_chain = known;
		evidence.confined = evidence.marked = TRUTH_UNKNOWN;
	}
	identity_resolve(d->store, conn->has_chain ? &conn->chain : NULL, &evidence, &conn->caller);
	conn->generation = d->generation;
}
