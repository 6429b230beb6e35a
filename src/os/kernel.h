/* What the running kernel offers. */
#ifndef OS_KERNEL_H
#define OS_KERNEL_H

#include <stdbool.h>

/* "6.1.0-18-amd64", "" if it cannot be had; a static text. */
const char *kernel_release(void);
/* The version of Landlock's interface; 0 where the kernel has none or was started without it. */
int kernel_landlock_abi(void);
bool kernel_has_pidfd(void);

#endif
