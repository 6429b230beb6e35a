/* coppice-guard HOOK [ARGUMENT…]: what the hooks of peers lead to (repo/guard_hooks.h). It is `coppice guard`
 * without the rest of `coppice`, which takes longer to load than the guard to decide. */
#include <stdio.h>

#include "repo/guard.h"

int main(int argc, char **argv)
{
	if (argc > 1)
		return guard_main(NULL, argc - 1, argv + 1);
	(void)fprintf(stderr, "coppice-guard: no hook: git starts it within a peer\n");
	return 2;
}
