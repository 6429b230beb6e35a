/* The sandbox: what it is asked to allow, and the order of its steps; see sandbox.h.
 *
 * All places are resolved before the first step: what they name then is what they name for good. */
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "os/file.h"
#include "os/kernel.h"
#include "os/sandbox_internal.h"
#include "os/spawn.h"

enum { SPEC_MAX = 1 << 20, WHY_MAX = 4096, NOT_STARTED = 126, NO_PROGRAM = 127 };

void place_add(struct place_list *list, char *path)
{
	ARRAY_GROW(list->at, list->n, list->cap);
	list->at[list->n++] = path;
}

void place_list_release(struct place_list *list)
{
	while (list->n > 0)
		free(list->at[--list->n]);
	free(list->at);
	*list = (struct place_list){0};
}

bool place_covers(const struct place_list *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if (path_inside(path, list->at[i]))
			return true;
	return false;
}

static void sandbox_release(struct sandbox *box)
{
	place_list_release(&box->write);
	place_list_release(&box->plain);
	place_list_release(&box->protect);
	place_list_release(&box->hide);
	place_list_release(&box->keep);
	place_list_release(&box->over);
	place_list_release(&box->instead);
	free(box->tmp);
}

/* --- the spec --- */

/* The places of one list; what is not there is left out, unless `all` are wanted. */
static int read_places(const json_t *spec, const char *key, bool all, struct place_list *ret,
		       struct error *err)
{
	size_t i;
	const json_t *item;
	if (json_array_size(json_object_get(spec, key)) > SANDBOX_PLACES_MAX)
		return error_set(err, ERR_TOO_LARGE, "the sandbox has more than %d places",
				 SANDBOX_PLACES_MAX);
	json_array_foreach(json_object_get(spec, key), i, item)
	{
		const char *path = json_string_value(item);
		char *real = NULL;
		if (!path || path[0] != '/')
			return error_set(err, ERR_INVALID, "a place of the sandbox is no absolute path");
		if (path_resolve(path, &real, NULL) == 0 && (all || access(real, F_OK) == 0))
			place_add(ret, TAKE_PTR(real));
		else if (!real && all)
			place_add(ret, xstrdup(path));
		free(real);
	}
	return 0;
}

/* What the configuration allows besides must not be a way to what is protected: neither above it nor in it.
 */
static int check_extra(const struct sandbox *box, const struct place_list *extra, struct error *err)
{
	for (size_t i = 0; i < extra->n; i++)
		for (size_t k = 0; k < box->protect.n; k++) {
			const char *open = extra->at[i], *shut = box->protect.at[k];
			if (path_inside(shut, open) || path_inside(open, shut))
				return error_hint(err,
						  error_set(err, ERR_REFUSED,
							    "sandbox.write has %s, which would open %s", open,
							    shut),
						  "take it out of sandbox.write, or name a folder elsewhere");
		}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Leaves out what lies within another: that is its part already. */
static void simplify(struct place_list *list)
{
	struct place_list kept = {0};
	if (list->n)
		qsort(list->at, list->n, sizeof(*list->at), by_path);
	for (size_t i = 0; i < list->n; i++)
		if (!place_covers(&kept, list->at[i]))
			place_add(&kept, TAKE_PTR(list->at[i]));
	place_list_release(list);
	*list = kept;
}

static int make_tmp(const json_t *spec, struct sandbox *box, struct error *err)
{
	const char *tmp = json_str(spec, "tmp");
	if (!tmp)
		return 0;
	int code = dir_make_private(tmp, err);
	if (!code)
		code = path_resolve(tmp, &box->tmp, err);
	if (code)
		return code;
	place_add(&box->write, xstrdup(box->tmp));
	place_add(&box->keep, xstrdup(box->tmp));
	box->over_tmp = !path_inside(box->tmp, "/tmp");
	return 0;
}

/* Folders that may be written, and are there from now on. */
static int make_places(const json_t *spec, struct sandbox *box, struct error *err)
{
	size_t i;
	const json_t *item;
	int code = 0;
	json_array_foreach(json_object_get(spec, "make"), i, item)
	{
		const char *path = json_string_value(item);
		if (!code && path && path[0] == '/')
			code = dir_make(path, 0755, err);
	}
	return code ? code : read_places(spec, "make", false, &box->write, err);
}

/* Protected files, which are there from now on: what is missing could not be kept from being made. */
static int make_blanks(const json_t *spec, struct error *err)
{
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(spec, "blank"), i, item)
	{
		const char *path = json_string_value(item);
		autoclose int fd =
			path && path[0] == '/' ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
		if (path && path[0] == '/' && fd < 0 && errno != ENOENT && errno != ENOTDIR)
			return error_errno(err, errno, "the sandbox cannot make %s", path);
	}
	return 0;
}

static int read_over(const json_t *spec, struct sandbox *box, struct error *err)
{
	union {
		const json_t *in;
		json_t *out;
	} over = {json_object_get(spec, "over")}; /* iterating changes nothing */
	const char *path;
	json_t *folder;
	json_object_foreach(over.out, path, folder)
	{
		char *real = NULL, *own = NULL;
		if ((mkdir(path, 0700) < 0 && errno != EEXIST) || path_resolve(path, &real, NULL) ||
		    !json_is_string(folder) || path_resolve(json_string_value(folder), &own, NULL)) {
			free(real);
			return error_set(err, ERR_SYSTEM, "the sandbox cannot put a folder over %s", path);
		}
		place_add(&box->over, real);
		place_add(&box->instead, own);
	}
	return 0;
}

/* In this order: what is made first is there to be found then. */
static int read_all(const json_t *spec, struct sandbox *box, struct place_list *extra, struct error *err)
{
	const struct {
		const char *key;
		bool all;
		struct place_list *to;
	} lists[] = {{"protect", true, &box->protect}, {"blank", true, &box->protect},
		     {"hide", false, &box->hide},      {"keep", false, &box->keep},
		     {"write", false, &box->write},    {"plain", false, &box->write},
		     {"plain", false, &box->plain},    {"extra", false, extra}};
	int code = make_tmp(spec, box, err);
	if (!code)
		code = make_places(spec, box, err);
	if (!code)
		code = make_blanks(spec, err);
	if (!code)
		code = read_over(spec, box, err);
	for (size_t i = 0; !code && i < ARRAY_SIZE(lists); i++)
		code = read_places(spec, lists[i].key, lists[i].all, lists[i].to, err);
	return code;
}

static int read_spec(const json_t *spec, struct sandbox *box, struct error *err)
{
	struct place_list extra = {0};
	int code = read_all(spec, box, &extra, err);
	if (!code)
		code = check_extra(box, &extra, err);
	for (size_t i = 0; !code && i < extra.n; i++)
		place_add(&box->write, TAKE_PTR(extra.at[i]));
	place_list_release(&extra);
	if (!code)
		code = read_places(spec, "shut", true, &box->protect, err);
	if (!code && access("/dev/shm", W_OK) == 0)
		place_add(&box->write, xstrdup("/dev/shm"));
	simplify(&box->write);
	simplify(&box->keep);
	return code;
}

/* --- privileges --- */

/* Root keeps what makes it the owner of its files, and loses what makes it the owner of the machine: disks,
 * kernel modules, other processes' memory. For anybody else this drops what the user namespace gave. */
static int drop_privileges(struct error *err)
{
	static const int kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
				   CAP_KILL,  CAP_SETGID,	CAP_SETUID, CAP_NET_BIND_SERVICE};
	__u64 keep = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		keep |= 1ULL << kept[i];
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return error_errno(err, errno, "the sandbox cannot look at its privileges");
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(cap < 64 && keep >> cap & 1) && data[0].effective >> CAP_SETPCAP & 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_errno(err, errno, "the sandbox cannot drop its privileges");
	for (int i = 0; i < 2; i++) {
		data[i].effective &= (__u32)(keep >> (32 * i));
		data[i].permitted &= (__u32)(keep >> (32 * i));
		data[i].inheritable = 0;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "the sandbox cannot drop its privileges");
	return 0;
}

/* --- all of it --- */

static int confine(const struct sandbox *box, struct error *err)
{
	int code = sandbox_landlock_check(err); /* before anything is done, for what then fails is told */
	if (!code)
		code = sandbox_mount(box, err);
	if (!code)
		code = sandbox_landlock(box, err);
	return code ? code : drop_privileges(err);
}

int sandbox_enter(const json_t *spec, struct error *err)
{
	_cleanup_(sandbox_release) struct sandbox box = {0};
	autofree char *cwd = getcwd(NULL, 0);
	int code = read_spec(spec, &box, err);
	if (!code)
		code = confine(&box, err);
	if (code)
		return code;
	/* Where we are is still the folder of the old namespace, in which all may be written. */
	if ((!cwd || chdir(cwd) < 0) && chdir("/") < 0)
		return error_errno(err, errno, "the sandbox has no folder to be in");
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return error_errno(err, errno, "the sandbox cannot close what is open");
	return 0;
}

char **sandbox_env(const json_t *spec, const char *const *env)
{
	static const char *const drop[] = {"SSH_AUTH_SOCK",   "SSH_AGENT_PID", "DBUS_SESSION_BUS_ADDRESS",
					   "GPG_AGENT_INFO",  "DOCKER_HOST",   "CONTAINER_HOST",
					   "WAYLAND_DISPLAY", "DISPLAY",       NULL};
	const char *tmp = json_str(spec, "tmp");
	autofree char *set = tmp ? xasprintf("TMPDIR=%s", tmp) : NULL;
	return env_edit(env, drop, (const char *const[]){set, NULL});
}

static _noreturn_ void try_it(int report)
{
	autoerror err = {0};
	json_auto_t *spec = json_object();
	if (sandbox_enter(spec, &err)) {
		json_auto_t *json = error_to_json(&err);
		autofree char *text = json_text(json);
		(void)!file_write_all(report, text, strlen(text)); /* without it, the exit code says enough */
	}
	_exit(err.code ? NOT_STARTED : 0);
}

int sandbox_check(struct error *err)
{
	int fds[2], status = 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	autoclose int from = fds[0], to = fds[1];
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot start a process");
	if (pid == 0)
		try_it(to);
	close_fd(&to);
	to = -1;
	char text[WHY_MAX];
	ssize_t n, len = 0;
	while (len < WHY_MAX && (n = read(from, text + len, (size_t)(WHY_MAX - len))) != 0)
		if (n > 0)
			len += n;
		else if (errno != EINTR)
			break;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	json_auto_t *json = NULL;
	if (json_parse(text, (size_t)len, &json, NULL) == 0)
		return error_from_json(json, err);
	return error_set(err, ERR_UNSUPPORTED, "the sandbox cannot be tried on this machine");
}

/* --- the command --- */

static int read_file(const char *path, json_t **ret, struct error *err)
{
	autostrbuf text = STRBUF_INIT(SPEC_MAX);
	int code = file_read(path, &text, err);
	return code ? code : json_parse(strbuf_str(&text), text.len, ret, err);
}

static int complain(const struct error *err)
{
	(void)fprintf(stderr, "coppice: confine: %s%s%s\n", err->message, err->hint ? ": " : "",
		      err->hint ? err->hint : ""); /* nobody to tell if even this fails */
	return err->code == ERR_MISSING ? NO_PROGRAM : NOT_STARTED;
}

int sandbox_main(int argc, char **argv)
{
	autoerror err = {0};
	json_auto_t *spec = NULL;
	autofree char *program = NULL;
	if (argc < 5 || strcmp(argv[3], "--") != 0) {
		(void)error_set(&err, ERR_INVALID, "usage: coppice confine SPEC-FILE -- PROGRAM ARGUMENT…");
		return complain(&err);
	}
	int code = read_file(argv[2], &spec, &err);
	if (!code)
		code = program_find(argv[4], NULL, &program, &err);
	if (!code)
		code = sandbox_enter(spec, &err);
	if (code)
		return complain(&err);
	union {
		char **in;
		const char *const *out;
	} env = {sandbox_env(spec, NULL)};
	(void)execve(program, argv + 4, env.in);
	int failed = errno;
	env_free(env.in);
	(void)error_errno(&err, failed, "cannot start %s", argv[4]);
	return complain(&err);
}
