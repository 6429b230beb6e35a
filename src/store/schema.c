/* The schema, as migrations: entry N takes a database of version N to N + 1, all in one transaction
 * (X3). An entry that was released is never edited; a change is a new entry.
 *
 * Indices that count or filter hold every column that the statement looks at: it then reads the index only.
 *
 * Conventions: ids are text with a prefix ("job-…"); *_at are UTC microseconds; flags are 0 or 1; JSON is
 * text. Strict tables and foreign keys are on. */
#include "store/schema.h"

#include <stddef.h>

static const char initial[] =
	/* peers: one row per identity, never reused (I1) */
	"CREATE TABLE peer ("
	" peer_id TEXT PRIMARY KEY, name TEXT NOT NULL, circle TEXT NOT NULL, role TEXT NOT NULL,"
	" backend TEXT NOT NULL, profile TEXT, path TEXT, branch TEXT, repo_id TEXT, description TEXT,"
	" status TEXT NOT NULL,"	     /* online | offline */
	" turn_state TEXT,"		     /* idle | working | awaiting_input | pending_first_turn */
	" live INTEGER NOT NULL,"	     /* 1 while it holds its name: online, or expected to come */
	" epoch INTEGER NOT NULL DEFAULT 0," /* grows with each registration (I5) */
	" pid INTEGER, start_time INTEGER, boot_id TEXT,"
	" transport TEXT, spawn_id TEXT, parent_peer TEXT, plan_id TEXT, do_not_disturb INTEGER NOT NULL "
	"DEFAULT 0,"
	" offline_cause TEXT, offline_at INTEGER, created_at INTEGER NOT NULL, last_seen INTEGER NOT NULL) "
	"STRICT;"
	"CREATE INDEX peer_name ON peer(name, live, circle);"
	"CREATE INDEX peer_live ON peer(live, circle);"
	/* the processes that prove who a caller is (I2): agents, and terminals that Coppice started */
	"CREATE TABLE session ("
	" session_id INTEGER PRIMARY KEY, peer_id TEXT NOT NULL REFERENCES peer, kind TEXT NOT NULL," /* agent
													 |
													 terminal
												       */
	" pid INTEGER NOT NULL, start_time INTEGER NOT NULL, boot_id TEXT NOT NULL, epoch INTEGER NOT NULL,"
	" spawn_id TEXT, pane_id TEXT, tty INTEGER,"
	" started_at INTEGER NOT NULL, ended_at INTEGER, cause TEXT) STRICT;"
	"CREATE INDEX session_pid ON session(pid);" /* ended ones too: who was an agent is no user (I2) */
	"CREATE INDEX session_peer ON session(peer_id) WHERE ended_at IS NULL;"
	/* a terminal start: durable before the effect, found again by its id */
	"CREATE TABLE spawn ("
	" spawn_id TEXT PRIMARY KEY, peer_id TEXT NOT NULL REFERENCES peer, job_id TEXT, fence INTEGER NOT "
	"NULL DEFAULT 0, state TEXT NOT NULL,"
	" pane_id TEXT, pane_pid INTEGER, start_time INTEGER, boot_id TEXT, circle TEXT, result TEXT,"
	" created_at INTEGER NOT NULL, ended_at INTEGER) STRICT;"
	"CREATE INDEX spawn_of_peer ON spawn(peer_id);"
	"CREATE INDEX spawn_running ON spawn(pane_pid) WHERE state = 'running';"
	/* messages and their ladder (D1): seq is the order of storing (D3) */
	"CREATE TABLE message ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL," /* ask | notify
												  | reply |
												  system */
	" from_peer TEXT, from_kind TEXT NOT NULL, from_name TEXT NOT NULL,"
	" to_peer TEXT NOT NULL REFERENCES peer, text TEXT NOT NULL, about TEXT," /* the ask that a reply or
										     notice is about */
	" step TEXT NOT NULL, shown INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL, dead_at INTEGER, "
	"dead_reason TEXT) STRICT;"
	"CREATE INDEX message_waiting ON message(to_peer, seq, step, dead_at) WHERE step IN "
	"('stored','offered','submitted') AND dead_at IS NULL;"
	"CREATE INDEX message_dead ON message(dead_at) WHERE dead_at IS NOT NULL;"
	"CREATE TABLE delivery ("
	" message_id TEXT NOT NULL, n INTEGER NOT NULL, step TEXT NOT NULL, at INTEGER NOT NULL, transport "
	"TEXT, reason TEXT,"
	" PRIMARY KEY (message_id, n)) STRICT, WITHOUT ROWID;"
	/* asks: open until they end exactly once (A2) */
	"CREATE TABLE question ("
	" id TEXT PRIMARY KEY, from_peer TEXT, from_kind TEXT NOT NULL, from_name TEXT NOT NULL,"
	" to_peer TEXT NOT NULL REFERENCES peer, text TEXT NOT NULL, reply_to TEXT,"
	" state TEXT NOT NULL," /* open | acked | replied | declined | expired | undeliverable */
	" reply TEXT, reason TEXT, closed_by TEXT, reply_taken INTEGER NOT NULL DEFAULT 0,"
	" opened_at INTEGER NOT NULL, closed_at INTEGER) STRICT;"
	"CREATE INDEX question_open_to ON question(to_peer, state) WHERE state = 'open';"
	"CREATE INDEX question_open_from ON question(from_peer, state) WHERE state = 'open';"
	/* jobs (J1..J6) */
	"CREATE TABLE job ("
	" job_id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT, state TEXT NOT NULL, reason TEXT,"
	" branch TEXT, repo_id TEXT, plan_id TEXT, peer_id TEXT," /* peer_id: who is to do it, or does it */
	" assigned INTEGER NOT NULL DEFAULT 0," /* 1: meant for that peer only, 0: for whoever claims it */
	" attempt INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0,"
	" max_attempts INTEGER NOT NULL DEFAULT 1, retry_state TEXT NOT NULL DEFAULT 'resume', backoff "
	"INTEGER NOT NULL DEFAULT 0,"
	" summary TEXT, data TEXT, cancel_requested INTEGER NOT NULL DEFAULT 0,"
	" created_by TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, ended_at INTEGER) "
	"STRICT;"
	"CREATE INDEX job_state ON job(state);"
	"CREATE INDEX job_plan ON job(plan_id) WHERE plan_id IS NOT NULL;"
	"CREATE INDEX job_of_peer ON job(peer_id, updated_at) WHERE peer_id IS NOT NULL;"
	"CREATE TABLE job_dep (job_id TEXT NOT NULL REFERENCES job, needs TEXT NOT NULL REFERENCES job, "
	"PRIMARY KEY (job_id, needs)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX job_dep_needs ON job_dep(needs);"
	"CREATE TABLE attempt ("
	" job_id TEXT NOT NULL REFERENCES job, n INTEGER NOT NULL, fence INTEGER NOT NULL UNIQUE, peer_id "
	"TEXT,"
	" state TEXT NOT NULL," /* running | completed | failed | interrupted | cancelled */
	" reason TEXT, started_at INTEGER NOT NULL, ended_at INTEGER, PRIMARY KEY (job_id, n)) STRICT, "
	"WITHOUT ROWID;"
	"CREATE INDEX attempt_open ON attempt(peer_id) WHERE ended_at IS NULL;"
	"CREATE TABLE artifact (job_id TEXT NOT NULL REFERENCES job, n INTEGER NOT NULL, kind TEXT NOT NULL, "
	"value TEXT NOT NULL, PRIMARY KEY (job_id, n)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE job_request (job_id TEXT NOT NULL REFERENCES job, n INTEGER NOT NULL, kind TEXT NOT "
	"NULL, by TEXT, text TEXT, at INTEGER NOT NULL, PRIMARY KEY (job_id, n)) STRICT, WITHOUT ROWID;"
	/* repositories and worktrees (W) */
	"CREATE TABLE repo (repo_id TEXT PRIMARY KEY, common_dir TEXT NOT NULL UNIQUE, main TEXT, name TEXT "
	"NOT NULL, config TEXT, created_at INTEGER NOT NULL) STRICT;"
	"CREATE TABLE worktree ("
	" worktree_id TEXT PRIMARY KEY, repo_id TEXT NOT NULL REFERENCES repo, branch TEXT NOT NULL, path "
	"TEXT NOT NULL, git_dir TEXT,"
	" base TEXT, base_commit TEXT, created_branch INTEGER NOT NULL DEFAULT 0, adopted INTEGER NOT NULL "
	"DEFAULT 0,"
	" state TEXT NOT NULL," /* creating | live | removing | removed */
	" peer_id TEXT, plan_id TEXT, created_at INTEGER NOT NULL, removed_at INTEGER) STRICT;"
	"CREATE UNIQUE INDEX worktree_branch ON worktree(repo_id, branch) WHERE state IN "
	"('creating','live','removing');"
	"CREATE INDEX worktree_path ON worktree(path) WHERE state = 'live';"
	"CREATE TABLE branch_owner (repo_id TEXT NOT NULL REFERENCES repo, branch TEXT NOT NULL, peer_id "
	"TEXT NOT NULL REFERENCES peer, since INTEGER NOT NULL, PRIMARY KEY (repo_id, branch)) STRICT, "
	"WITHOUT ROWID;"
	"CREATE TABLE landed_cache (repo_id TEXT NOT NULL REFERENCES repo, pair TEXT NOT NULL, landed TEXT "
	"NOT NULL, PRIMARY KEY (repo_id, pair)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE trash ("
	" trash_id TEXT PRIMARY KEY, repo_id TEXT NOT NULL REFERENCES repo, branch TEXT NOT NULL, path TEXT "
	"NOT NULL, info TEXT NOT NULL,"
	" state TEXT NOT NULL," /* kept | restoring | restored | purging | purged | held (a fact was unknown)
				 */
	" removed_at INTEGER NOT NULL, ended_at INTEGER) STRICT;"
	"CREATE INDEX trash_kept ON trash(repo_id, branch) WHERE state = 'kept';"
	/* plans */
	"CREATE TABLE plan ("
	" plan_id TEXT PRIMARY KEY, file TEXT NOT NULL, dir TEXT NOT NULL, repo_id TEXT NOT NULL REFERENCES "
	"repo, target TEXT NOT NULL,"
	" circle TEXT NOT NULL, spec TEXT NOT NULL, state TEXT NOT NULL," /* running | done | cancelled */
	" created_by TEXT, created_at INTEGER NOT NULL, ended_at INTEGER) STRICT;"
	"CREATE INDEX plan_running ON plan(state) WHERE ended_at IS NULL;"
	"CREATE TABLE task ("
	" plan_id TEXT NOT NULL REFERENCES plan, branch TEXT NOT NULL, n INTEGER NOT NULL, spec TEXT NOT "
	"NULL, state TEXT NOT NULL,"
	" reason TEXT, job_id TEXT NOT NULL REFERENCES job, peer_id TEXT, worktree_id TEXT, change_id TEXT, "
	"updated_at INTEGER NOT NULL,"
	" PRIMARY KEY (plan_id, branch)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX task_job ON task(job_id);"
	"CREATE INDEX task_worktree ON task(worktree_id);"
	/* changes and their train (L) */
	"CREATE TABLE change ("
	" change_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, repo_id TEXT NOT NULL REFERENCES repo, plan_id "
	"TEXT, branch TEXT NOT NULL, target TEXT NOT NULL,"
	" how TEXT NOT NULL, gate TEXT, gate_tries INTEGER NOT NULL DEFAULT 1," /* gate: JSON list, [] for
										   `none`, null when not
										   configured */
	" state TEXT NOT NULL," /* queued | building | testing | ready | landed | ejected | blocked */
	" head TEXT, base_commit TEXT, built TEXT, landed_as TEXT, reason TEXT, builds INTEGER NOT NULL "
	"DEFAULT 0,"
	" approved INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, ended_at INTEGER) STRICT;"
	"CREATE INDEX change_train ON change(repo_id, target, seq) WHERE ended_at IS NULL;"
	"CREATE INDEX change_of_plan ON change(plan_id) WHERE plan_id IS NOT NULL;"
	"CREATE INDEX change_of_branch ON change(repo_id, branch);"
	"CREATE TABLE change_dep (change_id TEXT NOT NULL REFERENCES change, needs TEXT NOT NULL, PRIMARY "
	"KEY (change_id, needs)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX change_dep_needs ON change_dep(needs);"
	"CREATE TABLE gate_run (change_id TEXT NOT NULL REFERENCES change, n INTEGER NOT NULL, tree TEXT NOT "
	"NULL, command TEXT NOT NULL, result TEXT NOT NULL, tries INTEGER NOT NULL, log TEXT, at INTEGER NOT "
	"NULL, PRIMARY KEY (change_id, n)) STRICT, WITHOUT ROWID;"
	/* the machinery: effects, timers, answers, events */
	"CREATE TABLE outbox ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, repeat INTEGER NOT NULL, subject TEXT, "
	"lane TEXT, args TEXT NOT NULL,"
	" state TEXT NOT NULL, probe INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, result "
	"TEXT,"
	" created_at INTEGER NOT NULL, ended_at INTEGER) STRICT;"
	"CREATE INDEX outbox_open ON outbox(state, id) WHERE ended_at IS NULL;"
	"CREATE TABLE timer (kind TEXT NOT NULL, subject TEXT NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY "
	"(kind, subject)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX timer_due ON timer(due_at);"
	"CREATE TABLE answer (key TEXT PRIMARY KEY, fingerprint INTEGER NOT NULL, status INTEGER NOT NULL, "
	"body TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX answer_at ON answer(at);"
	"CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, "
	"subject TEXT NOT NULL, plan_id TEXT, data TEXT) STRICT;"
	"CREATE INDEX event_plan ON event(plan_id, id) WHERE plan_id IS NOT NULL;";

static const char sessions[] =
	/* the runtime's own id of a session; `hosted`: its process hosts several, which the id tells apart
	   (I3) */
	"ALTER TABLE session ADD COLUMN key TEXT;"
	"ALTER TABLE session ADD COLUMN pane TEXT;" /* where its hook says that it runs */
	"ALTER TABLE session ADD COLUMN hosted INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX session_key ON session(key) WHERE key IS NOT NULL;"
	/* whether its hooks call us: what they carry reaches it at its turn boundaries */
	"ALTER TABLE peer ADD COLUMN hooked INTEGER NOT NULL DEFAULT 0;"
	/* ways into sessions that are open; emptied at each start of the daemon, which holds their ends */
	"CREATE TABLE transport (peer_id TEXT NOT NULL REFERENCES peer, name TEXT NOT NULL, attached_at "
	"INTEGER NOT NULL, "
	"PRIMARY KEY (peer_id, name)) STRICT, WITHOUT ROWID;"
	/* one question to many (A6), and whether its recipient was reminded at the end of a turn (A3) */
	"ALTER TABLE question ADD COLUMN parent TEXT;"
	"ALTER TABLE question ADD COLUMN reminded INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE question_parent (parent_id TEXT PRIMARY KEY, from_peer TEXT, text TEXT NOT NULL, "
	"refused TEXT NOT "
	"NULL, opened_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX question_of_parent ON question(parent) WHERE parent IS NOT NULL;"
	/* the first prompt that a start carries, and why it came to nothing (D8) */
	"ALTER TABLE spawn ADD COLUMN message_id TEXT;"
	"ALTER TABLE spawn ADD COLUMN failure TEXT;"
	"ALTER TABLE spawn ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;";

static const char governor[] =
	/* how many messages the peer is from a person's word in the turn that it is in (D11) */
	"ALTER TABLE peer ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE message ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;"
	/* of what the governor counts: the sender's circle, and the how manieth of that circle it is; the
	   limit by which it is held, dead_at being since when: what is held is no dead letter, and out of the
	   queue like one */
	"ALTER TABLE message ADD COLUMN circle TEXT;"
	"ALTER TABLE message ADD COLUMN nth INTEGER;"
	"ALTER TABLE message ADD COLUMN held TEXT;"
	"CREATE INDEX message_pair ON message(from_peer, to_peer, at, nth) WHERE nth IS NOT NULL;"
	"CREATE INDEX message_circle ON message(circle, nth, at) WHERE nth IS NOT NULL;"
	"CREATE INDEX message_held ON message(to_peer, from_peer, held, seq) WHERE held IS NOT NULL;"
	/* of what was told already */
	"CREATE TABLE governor_told (scope TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	/* whether it opens no turn (D10): 0 it does, 1 it never does, 2 it does not while its recipient is
	   marked */
	"ALTER TABLE message ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0;";

static const char notes[] =
	/* whether something of ours runs in its session, and why its last turn failed */
	"ALTER TABLE peer ADD COLUMN served INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE peer ADD COLUMN turn_failed TEXT;";

static const char sandbox[] =
	/* what its last start may write (S5), as JSON; null: all that the user may */
	"ALTER TABLE peer ADD COLUMN sandbox TEXT;";

const char *const schema_migrations[] = {initial, sessions, governor, notes, sandbox, NULL};
