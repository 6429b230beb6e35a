/* Landlock for the sandbox; see sandbox.h.
 *
 * The rights and fields are written out here: the headers of the distribution may be older than the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/kernel.h"
#include "os/sandbox_internal.h"

/* include/uapi/linux/landlock.h */
enum {
	WRITE_FILE = 1 << 1,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_CHAR = 1 << 6,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	MAKE_FIFO = 1 << 10,
	MAKE_BLOCK = 1 << 11,
	MAKE_SYM = 1 << 12,
	REFER = 1 << 13,     /* from version 2 on */
	TRUNCATE = 1 << 14,  /* 3 */
	IOCTL_DEV = 1 << 15, /* 5 */

	SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, /* 6 */
	SCOPE_SIGNAL = 1 << 1,		     /* 6 */

	RULE_PATH_BENEATH = 1,
};

struct ruleset_attr {
	__u64 handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
	__u64 allowed_access;
	__s32 parent_fd;
} __attribute__((packed));

/* The rights of what writes, by the kernel's version. Devices are nobody's to make. */
static __u64 rights(int abi)
{
	__u64 all = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK |
		    MAKE_FIFO | MAKE_BLOCK | MAKE_SYM;
	return all | (abi >= 2 ? REFER : 0) | (abi >= 3 ? TRUNCATE : 0) | (abi >= 5 ? IOCTL_DEV : 0);
}

static int allow(int ruleset, const char *path, __u64 allowed, struct error *err)
{
	struct stat st;
	autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "the sandbox cannot look at %s", path);
	if (!S_ISDIR(st.st_mode))
		allowed &= WRITE_FILE | TRUNCATE | IOCTL_DEV;
	struct path_beneath_attr rule = {.allowed_access = allowed, .parent_fd = fd};
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_errno(err, errno, "the sandbox cannot allow %s", path);
	return 0;
}

/* Terminals, and what programs take for granted; no disks, no memory. */
static int allow_devices(int ruleset, __u64 handled, struct error *err)
{
	static const char *const devices[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
					      "/dev/urandom", "/dev/tty",  "/dev/ptmx", "/dev/pts"};
	int code = 0;
	for (size_t i = 0; !code && i < ARRAY_SIZE(devices); i++)
		code = allow(ruleset, devices[i], handled & (WRITE_FILE | TRUNCATE | IOCTL_DEV), err);
	return code;
}

int sandbox_landlock_check(struct error *err)
{
	if (kernel_landlock_abi() >= 1)
		return 0;
	return error_hint(
		err, error_set(err, ERR_UNSUPPORTED, "the kernel has no Landlock, which the sandbox needs"),
		"run Linux 5.13 or newer with landlock among its LSMs (lsm=landlock,…)");
}

int sandbox_landlock(const struct sandbox *box, struct error *err)
{
	int abi = kernel_landlock_abi();
	struct ruleset_attr attr = {.handled_access_fs = rights(abi)};
	attr.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0;
	autoclose int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return error_errno(err, errno, "the sandbox cannot use Landlock");
	__u64 allowed = attr.handled_access_fs & ~(__u64)(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV);
	const __u64 special = MAKE_SYM | MAKE_FIFO | MAKE_SOCK;
	int code = allow_devices(ruleset, attr.handled_access_fs, err);
	for (size_t i = 0; !code && i < box->write.n; i++) {
		bool plain = place_covers(&box->plain, box->write.at[i]);
		code = allow(ruleset, box->write.at[i], plain ? allowed & ~special : allowed, err);
	}
	if (code)
		return code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_errno(err, errno, "the sandbox cannot use Landlock");
	return 0;
}
