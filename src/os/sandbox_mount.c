/* The mount namespace of the sandbox; see sandbox.h.
 *
 * Order matters: what may be written is made a mount of its own first, so that everything can be made
 * read-only at once, and those writable again. What hides comes last, and is in nobody's way. Mounts that lie
 * below a writable place stay read-only: whether they were so before is not known once everything is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"
#include "os/sandbox.h"
#include "os/sandbox_internal.h"

enum {
	SOCKETS_MAX = 4 << 20, /* of /proc/net/unix */
	MOUNTS_MAX = 8 << 20,  /* of a process's mountinfo */
	WHOLE_TREE = 0x8000,   /* AT_RECURSIVE */
};

/* include/uapi/linux/mount.h, which older headers lack and newer ones define twice */
struct mount_change {
	__u64 attr_set, attr_clr, propagation, userns_fd;
};

enum { ATTR_RDONLY = 0x1 };

static int change(const char *path, unsigned flags, struct mount_change attr)
{
	return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attr, sizeof(attr));
}

static int bind_over(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL);
}

/* --- the namespace --- */

static int no_namespace(int errnum, struct error *err)
{
	return error_hint(
		err,
		error_set(err, ERR_UNSUPPORTED,
			  "this machine does not let the user make a mount namespace, which the sandbox "
			  "needs: %s",
			  strerrordesc_np(errnum)),
		"allow user namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1,"
		" kernel.apparmor_restrict_unprivileged_userns=0; in a container, its seccomp profile");
}

static int write_proc(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : file_write_all(fd, text, strlen(text));
}

/* The user stays who it is: within a user namespace it has no name but this one. */
static int map_self(uid_t uid, gid_t gid)
{
	autofree char *users = xasprintf("%u %u 1", (unsigned)uid, (unsigned)uid);
	autofree char *groups = xasprintf("%u %u 1", (unsigned)gid, (unsigned)gid);
	return write_proc("/proc/self/setgroups", "deny") < 0 ||
			       write_proc("/proc/self/uid_map", users) < 0 ||
			       write_proc("/proc/self/gid_map", groups) < 0
		       ? -1
		       : 0;
}

static int make_namespace(struct error *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (unshare(CLONE_NEWNS) < 0 &&
	    (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || map_self(uid, gid) < 0))
		return no_namespace(errno, err);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return no_namespace(errno, err);
	return 0;
}

/* --- what may be written --- */

static bool is_read_only(const char *path)
{
	struct statvfs fs;
	return statvfs(path, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

static int open_writable(const struct place_list *write, struct error *err)
{
	autofree bool *fixed = xcalloc(write->n + 1, sizeof(*fixed));
	for (size_t i = 0; i < write->n; i++) {
		fixed[i] = is_read_only(write->at[i]);
		if (bind_over(write->at[i], write->at[i]) < 0)
			return error_errno(err, errno, "the sandbox cannot set %s apart", write->at[i]);
	}
	if (change("/", WHOLE_TREE, (struct mount_change){.attr_set = ATTR_RDONLY}) < 0)
		return error_errno(err, errno, "the sandbox cannot make the file systems read-only");
	for (size_t i = 0; i < write->n; i++)
		if (!fixed[i] && change(write->at[i], 0, (struct mount_change){.attr_clr = ATTR_RDONLY}) < 0)
			return error_errno(err, errno, "the sandbox cannot open %s", write->at[i]);
	return 0;
}

static int close_protected(const struct sandbox *box, struct error *err)
{
	for (size_t i = 0; i < box->protect.n; i++) {
		const char *path = box->protect.at[i];
		if (!place_covers(&box->write, path) || access(path, F_OK) < 0)
			continue;
		if (bind_over(path, path) < 0 ||
		    change(path, WHOLE_TREE, (struct mount_change){.attr_set = ATTR_RDONLY}) < 0)
			return error_errno(err, errno, "the sandbox cannot protect %s", path);
	}
	return 0;
}

/* --- what is hidden --- */

struct hider {
	const struct sandbox *box;
	struct place_list hidden;
	char *home, *program;
};

static bool needs(const struct hider *h, const char *folder)
{
	const struct place_list *lists[] = {&h->box->write, &h->box->protect};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < lists[i]->n; k++)
			if (path_inside(lists[i]->at[k], folder) &&
			    !place_covers(&h->box->keep, lists[i]->at[k]))
				return true;
	return (h->home && path_inside(h->home, folder)) || (h->program && path_inside(h->program, folder));
}

/* A place of `keep` is shown again at its path in a folder that has been covered. */
static int show_again(const char *path, const char *folder, int fd, struct error *err)
{
	for (const char *slash = path + strlen(folder); (slash = strchr(slash + 1, '/'));) {
		autofree char *part = xstrndup(path, (size_t)(slash - path));
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return error_errno(err, errno, "the sandbox cannot make %s", part);
	}
	autofree char *from = xasprintf("/proc/self/fd/%d", fd);
	if ((mkdir(path, 0700) < 0 && errno != EEXIST) || bind_over(from, path) < 0)
		return error_errno(err, errno, "the sandbox cannot keep %s", path);
	return 0;
}

static int cover(const char *folder, const char *instead)
{
	if (instead)
		return bind_over(instead, folder);
	return mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=1m");
}

/* Puts an empty folder, or `instead`, in the place of one, which must be resolved. */
static int hide_folder(struct hider *h, const char *folder, const char *instead, struct error *err)
{
	const struct place_list *keep = &h->box->keep;
	autofree int *fds = xcalloc(keep->n + 1, sizeof(*fds));
	int code = 0;
	for (size_t i = 0; i < keep->n; i++)
		fds[i] = path_inside(keep->at[i], folder) && strcmp(keep->at[i], folder) != 0
				 ? open(keep->at[i], O_PATH | O_DIRECTORY | O_CLOEXEC)
				 : -1;
	if (cover(folder, instead) < 0)
		code = error_errno(err, errno, "the sandbox cannot hide %s", folder);
	for (size_t i = 0; i < keep->n; i++) {
		if (!code && fds[i] >= 0)
			code = show_again(keep->at[i], folder, fds[i], err);
		close_fd(&fds[i]);
	}
	if (!code && !instead && change(folder, 0, (struct mount_change){.attr_set = ATTR_RDONLY}) < 0)
		code = error_errno(err, errno, "the sandbox cannot hide %s", folder);
	place_add(&h->hidden, xstrdup(folder));
	return code;
}

/* Nothing is to be read there, and nobody listens. */
static int hide_file(const char *path, struct error *err)
{
	if (bind_over("/dev/null", path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "the sandbox cannot hide %s", path);
	return 0;
}

static int hide_socket(const struct hider *h, const char *path, struct error *err)
{
	struct stat st;
	if (place_covers(&h->hidden, path) || place_covers(&h->box->keep, path) ||
	    place_covers(&h->box->over, path) || stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	return hide_file(path, err);
}

/* Hides the folder, and with it what will be made in it later; one in which something must stay to be seen is
 * left to the look at each socket. */
static int hide(struct hider *h, const char *path, struct error *err)
{
	struct stat st;
	autofree char *real = NULL;
	if (!path || path[0] != '/' || path_resolve(path, &real, NULL) || stat(real, &st) < 0)
		return 0;
	if (S_ISSOCK(st.st_mode))
		return hide_socket(h, real, err);
	if (S_ISREG(st.st_mode))
		return hide_file(real, err);
	if (!S_ISDIR(st.st_mode) || strcmp(real, "/") == 0 || place_covers(&h->hidden, real) ||
	    place_covers(&h->box->keep, real) || needs(h, real))
		return 0;
	return hide_folder(h, real, NULL, err);
}

/* The folder of a socket that the environment names, when it is the user's alone; else the socket. */
static int hide_named(struct hider *h, const char *socket, size_t len, struct error *err)
{
	autofree char *path = xstrndup(socket, len);
	autofree char *folder = path_folder(path);
	struct stat st;
	bool own = stat(folder, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & (S_IRWXG | S_IRWXO));
	return hide(h, own && !needs(h, folder) ? folder : path, err);
}

static int hide_of_environment(struct hider *h, struct error *err)
{
	static const char mark[] = "unix:path=";
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmux = getenv("TMUX"),
		   *keys = getenv("SSH_AUTH_SOCK");
	const char *bus = getenv("DBUS_SESSION_BUS_ADDRESS"), *dir = getenv("TMUX_TMPDIR");
	autofree char *servers = xasprintf("%s/tmux-%u", dir && *dir ? dir : "/tmp", (unsigned)geteuid());
	int code = hide(h, runtime, err);
	if (!code)
		code = hide(h, servers, err);
	if (!code && tmux)
		code = hide_named(h, tmux, strcspn(tmux, ","), err);
	if (!code && keys)
		code = hide_named(h, keys, strlen(keys), err);
	if (!code && bus && strncmp(bus, mark, sizeof(mark) - 1) == 0)
		code = hide_named(h, bus + sizeof(mark) - 1, strcspn(bus + sizeof(mark) - 1, ",;"), err);
	return code;
}

static int hide_known(struct hider *h, struct error *err)
{
	static const char *const places[] = {
		"/run/dbus",   "/run/docker.sock", "/run/docker", "/run/containerd", "/run/podman",
		"/run/screen", "/run/tmux",	   "/run/crio",	  "/tmp/.X11-unix",  "/tmp/.ICE-unix"};
	autofree char *runtime = xasprintf("/run/user/%u", (unsigned)geteuid());
	autofree char *servers = xasprintf("/tmp/tmux-%u", (unsigned)geteuid());
	int code = hide(h, runtime, err);
	if (!code)
		code = hide(h, servers, err);
	for (size_t i = 0; !code && i < ARRAY_SIZE(places); i++)
		code = hide(h, places[i], err);
	for (size_t i = 0; !code && i < h->box->hide.n; i++)
		code = hide(h, h->box->hide.at[i], err);
	return code;
}

/* One line of /proc/net/unix; its path, if it has one, is the last field. */
static int hide_listed(const struct hider *h, const char *line, size_t len, struct error *err)
{
	const char *slash = memchr(line, '/', len);
	if (!slash)
		return 0;
	autofree char *path = xstrndup(slash, len - (size_t)(slash - line));
	autofree char *real = NULL;
	if (path_resolve(path, &real, NULL))
		return 0;
	return hide_socket(h, real, err);
}

static int hide_others(const struct hider *h, struct error *err)
{
	autostrbuf list = STRBUF_INIT(SOCKETS_MAX);
	int code = file_read("/proc/net/unix", &list, err);
	for (const char *at = strbuf_str(&list); !code && *at;) {
		size_t len = strcspn(at, "\n");
		code = hide_listed(h, at, len, err);
		at += len + (at[len] == '\n');
	}
	return code;
}

/* In a /tmp of its own the path is not there any more. */
static int put_over(const struct sandbox *box, struct error *err)
{
	for (size_t i = 0; i < box->over.n; i++)
		if ((mkdir(box->over.at[i], 0700) < 0 && errno != EEXIST && errno != EROFS) ||
		    bind_over(box->instead.at[i], box->over.at[i]) < 0)
			return error_errno(err, errno, "the sandbox cannot put a folder over %s",
					   box->over.at[i]);
	return 0;
}

/* --- the mark --- */

/* On a folder that is on every system, of use to no agent, and nobody's to remove: a mount goes with the
 * folder that it is on. */
static const char mark_place[] = "/proc/fs", mark_name[] = "coppice-sandbox";

static int put_mark(struct error *err)
{
	if (mount(mark_name, mark_place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		  "mode=0555,size=4k") < 0)
		return error_errno(err, errno, "the sandbox cannot mark itself");
	return 0;
}

enum truth sandbox_holds(pid_t pid)
{
	static const char free[] = "\nNoNewPrivs:\t0";
	autofree char *status = xasprintf("/proc/%d/status", (int)pid),
		      *mounts = xasprintf("/proc/%d/mountinfo", (int)pid);
	autofree char *mark = xasprintf(" %s ", mark_name);
	autostrbuf text = STRBUF_INIT(MOUNTS_MAX);
	/* Without no_new_privs, which no process gets rid of, it is in none; and that can always be read. */
	if (file_read(status, &text, NULL))
		return TRUTH_UNKNOWN;
	if (strstr(strbuf_str(&text), free))
		return TRUTH_NO;
	strbuf_reset(&text);
	autoerror err = {0};
	if (file_read(mounts, &text, &err)) /* what hides itself has a reason */
		return err.code == ERR_NOT_FOUND ? TRUTH_UNKNOWN : TRUTH_YES;
	return strstr(strbuf_str(&text), mark) ? TRUTH_YES : TRUTH_NO;
}

static int hide_all(const struct sandbox *box, struct error *err)
{
	struct hider h = {.box = box};
	const char *home = getenv("HOME");
	if (home && home[0] == '/' && path_resolve(home, &h.home, NULL))
		h.home = xstrdup(home);
	h.program = realpath("/proc/self/exe", NULL);
	int code = put_mark(err);
	if (!code && box->over_tmp && !needs(&h, "/tmp"))
		code = hide_folder(&h, "/tmp", box->tmp, err);
	if (!code)
		code = put_over(box, err);
	if (!code)
		code = hide_of_environment(&h, err);
	if (!code)
		code = hide_known(&h, err);
	if (!code)
		code = hide_others(&h, err);
	place_list_release(&h.hidden);
	free(h.home);
	free(h.program);
	return code;
}

int sandbox_mount(const struct sandbox *box, struct error *err)
{
	int code = make_namespace(err);
	if (!code)
		code = open_writable(&box->write, err);
	if (!code)
		code = close_protected(box, err);
	return code ? code : hide_all(box, err);
}
