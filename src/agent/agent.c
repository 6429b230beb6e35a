/* The table of backends; see agent.h. */
#include "agent/agent.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "os/file.h"
#include "os/proc.h"

enum { ANCESTORS_MAX = 32 };

static const struct agent_backend *const backends[] = {&agent_claude_code, &agent_codex, &agent_script, NULL};

const struct agent_backend *const *agent_backends(void)
{
	return backends;
}

const struct agent_backend *agent_backend_find(const char *name)
{
	for (size_t i = 0; backends[i]; i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

const struct agent_backend *agent_backend_of_client(const char *client_name)
{
	for (size_t i = 0; backends[i]; i++)
		if (backends[i]->client_name && strcmp(backends[i]->client_name, client_name) == 0)
			return backends[i];
	return NULL;
}

const char *const *agent_backend_names(void)
{
	static const char *names[ARRAY_SIZE(backends)];
	for (size_t i = 0; backends[i]; i++)
		names[i] = backends[i]->name;
	return names;
}

/* Whether /proc/PID/comm is one of the names. */
static bool is_named(pid_t pid, const char *const *names)
{
	autofree char *path = xasprintf("/proc/%d/comm", (int)pid);
	autostrbuf comm = STRBUF_INIT(64);
	if (!names || file_read(path, &comm, NULL) || !comm.len)
		return false;
	strbuf_setlen(&comm, comm.len - 1); /* its newline */
	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], strbuf_str(&comm)) == 0)
			return true;
	return false;
}

pid_t agent_process(const struct agent_backend *backend)
{
	struct proc_stat stat = {.ppid = getppid()};
	for (int i = 0; i < ANCESTORS_MAX && stat.ppid > 1; i++) {
		if (is_named(stat.ppid, backend->process_names))
			return stat.ppid;
		if (proc_stat(stat.ppid, &stat, NULL))
			break;
	}
	return getppid();
}

static const char *const event_names[AGENT_EVENT_MAX_] = {
	[AGENT_SESSION_START] = "session_start",
	[AGENT_PROMPT] = "prompt",
	[AGENT_TOOL_END] = "tool_end",
	[AGENT_TURN_END] = "turn_end",
	[AGENT_AWAITS] = "awaits",
	[AGENT_COMPACTS] = "compacts",
	[AGENT_SESSION_END] = "session_end",
	[AGENT_TURN_FAILED] = "turn_failed",
};

const char *agent_event_name(enum agent_event event)
{
	return event_names[event];
}

bool agent_event_parse(const char *name, enum agent_event *ret)
{
	for (int i = 1; i < AGENT_EVENT_MAX_; i++)
		if (strcmp(event_names[i], name) == 0) {
			*ret = (enum agent_event)i;
			return true;
		}
	return false;
}

json_t *agent_places(const char *home, const char *const *shut, const char *snapshots, const char *tmp)
{
	json_t *places = json_object(), *over = json_object();
	json_object_set_new(places, "over", over);
	if (!home)
		return places;
	json_list_add(places, "write", home);
	for (; *shut; shut++) {
		autofree char *path = path_join(home, *shut);
		json_list_add(places, "protect", path);
	}
	autofree char *path = path_join(home, snapshots);
	if (access(home, F_OK) == 0)
		json_set_str(over, path, tmp);
	return places;
}

void agent_command_release(struct agent_command *command)
{
	json_decref(command->argv);
	json_decref(command->env);
	json_decref(command->files);
	json_decref(command->folders);
	json_decref(command->places);
	json_decref(command->server);
	*command = (struct agent_command){0};
}

void agent_hook_release(struct agent_hook *hook)
{
	free(hook->session);
	free(hook->cwd);
	free(hook->source);
	free(hook->prompt);
	free(hook->denied);
	*hook = (struct agent_hook){0};
}

void agent_record_release(struct agent_record *record)
{
	free(record->session);
	free(record->cwd);
	free(record->version);
	free(record->pane);
	*record = (struct agent_record){0};
}
