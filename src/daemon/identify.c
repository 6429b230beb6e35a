/* The evidence of who calls (I2), collected from the kernel: the process chain of the connection's peer
 * credentials, its session leader, its environment. mesh/identity.c decides. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "daemon/conn.h"
#include "os/file.h"

static bool is_tmux_server(pid_t pid)
{
	autofree char *path = xasprintf("/proc/%d/comm", (int)pid);
	autostrbuf comm = STRBUF_INIT(64);
	return file_read(path, &comm, NULL) == 0 && strncmp(strbuf_str(&comm), "tmux: server", 12) == 0;
}

static enum truth is_confined(const struct daemon *d, pid_t pid)
{
	autofree char *token = paths_token(d->paths.home);
	enum truth sees = proc_sees(pid, token);
	return sees == TRUTH_YES ? TRUTH_NO : sees == TRUTH_NO ? TRUTH_YES : TRUTH_UNKNOWN;
}

static void look_closer(const struct daemon *d, struct conn *conn, struct identity_evidence *evidence)
{
	autofree char *mark = NULL;
	struct proc_stat leader;
	proc_environ(conn->pid, "COPPICE_PEER", &mark, &evidence->marked);
	(void)snprintf(conn->mark, sizeof(conn->mark), "%s", mark ? mark : "");
	evidence->confined = is_confined(d, conn->pid);
	if (conn->chain.n && proc_stat(conn->chain.at[0].sid, &leader, NULL) == 0)
		evidence->leader_start = leader.start_time;
	for (size_t i = 0; i < conn->chain.n && !evidence->terminal_server; i++)
		evidence->terminal_server = is_tmux_server(conn->chain.at[i].pid);
}

void identify(struct daemon *d, struct conn *conn)
{
	if (conn->generation == d->generation)
		return;
	if (!conn->has_chain)
		conn->has_chain = proc_chain(conn->pid, &conn->chain, NULL) == 0;
	struct identity_evidence evidence = {.token = conn->token, .session = conn->session};
	char peer[ID_SIZE];
	if (conn->has_chain && !identity_enclosing(d->store, &conn->chain, 0, evidence.session, peer))
		look_closer(d, conn, &evidence);
	identity_resolve(d->store, conn->has_chain ? &conn->chain : NULL, &evidence, &conn->caller);
	conn->generation = d->generation;
}
