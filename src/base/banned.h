/* Unsafe or surprising library functions become compile errors. The build includes this file into
 * every source file (meson: -include), so no file can forget it.
 * Idea: git's banned.h. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Fortified headers may have made macros of some. */
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison atoi atol atoll strtok
#pragma GCC poison gmtime localtime ctime asctime
#pragma GCC poison system popen

#endif
