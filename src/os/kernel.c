/* See kernel.h. */
#include "os/kernel.h"

#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LANDLOCK_ASK_VERSION = 1 << 0 }; /* LANDLOCK_CREATE_RULESET_VERSION */

const char *kernel_release(void)
{
	static struct utsname name;
	return uname(&name) == 0 ? name.release : "";
}

int kernel_landlock_abi(void)
{
#ifdef SYS_landlock_create_ruleset
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_ASK_VERSION);
	return abi > 0 ? (int)abi : 0;
#else
	return 0;
#endif
}

bool kernel_has_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd < 0)
		return false;
	(void)close(fd); /* nothing was written to it */
	return true;
}
