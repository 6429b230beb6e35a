/* What starting an agent adds to starting a process (spawn.h): its command line, its first prompt, and
 * whether it came (D8).
 *
 *	ordered → terminal started
 *	→ registered, and its screen shows that it works or waits for input: confirmed
 *	→ not so within delivery.first_prompt: its screen is looked at, and the start has failed
 *	  as login, trust_dialog, permission_dialog or not_registered; the terminal stays, so
 *	  that a person can attach and help, after which it registers
 *	→ its process ended: exited
 *
 * The first prompt is a message like any other: stored, offered by "launch" in the command line, consumed
 * when the session is seen to read it. Nothing else is offered before (mesh/deliver.h). */
#ifndef FLOW_SPAWN_AGENT_H
#define FLOW_SPAWN_AGENT_H

#include "flow/spawn.h"
#include "mesh/peer.h"
#include "store/event.h"

/* Makes what the pane's process is to run: {"argv","env","files","folders","server"}, and stores the first
 * prompt. For a plain command that is the order's own argv. `confine` is what it may write when it is
 * confined (flow/confine.h), to which the backend's own places are added; or NULL. `ret` is a new reference.
 */
int spawn_agent_command(struct core *core, const struct spawn_order *order, const char *spawn_id,
			json_t *confine, json_t **ret, struct error *err) _warn_unused_;
/* Whether the backend's agents register by themselves, after their terminal was started. */
bool spawn_registers(struct store *s, const char *peer_id);
/* Its terminal runs: from now on it has delivery.first_prompt to register. */
void spawn_agent_expect(struct core *core, const char *spawn_id);
/* Its process ended before it had registered; or it is there and cannot go on. `why` goes on after its name.
 */
void spawn_agent_failed(struct core *core, const char *spawn_id, enum error_code code, const char *why);

/* Its model has called a tool: so it can work, whatever its screen shows. */
void spawn_agent_works(struct core *core, const char *peer_id);

/* Reactions: the time is over, it is looked at again (timers); a peer came online. */
void spawn_on_look(struct core *core, const struct event *e);
void spawn_on_late(struct core *core, const struct event *e);
void spawn_on_online(struct core *core, const struct event *e);
/* Reaction: a turn failed; where it is for want of a login, a start that is open has failed. */
void spawn_on_turn_failed(struct core *core, const struct event *e);
/* Reaction: a message was read; the first prompt, after its time: the start is looked at once more. */
void spawn_on_read(struct core *core, const struct event *e);
/* The end of the effect that looks at the terminal. */
void spawn_looked(struct core *core, const char *subject, bool ok, const json_t *result);

/* What the peer's start has come to so far; `err` is filled when it has failed. */
enum spawn_outcome { SPAWN_CONFIRMED, SPAWN_OPEN, SPAWN_FAILED };
enum spawn_outcome spawn_outcome(struct store *s, const char *peer_id, struct error *err);

#endif
