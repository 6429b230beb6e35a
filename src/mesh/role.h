/* Roles: what each may do in the mesh, as one table. Which operation a role may call is the operation
 * table's business (S8); this says who is seen from where and who can be written to. */
#ifndef MESH_ROLE_H
#define MESH_ROLE_H

#include <stdbool.h>

enum role {
	ROLE_AGENT = 0,
	ROLE_ORCHESTRATOR,
	ROLE_REVIEWER,
	ROLE_HUMAN,
	ROLE_SERVICE,
	ROLE_UNKNOWN, /* a caller of whom nothing is proven (I2); never a peer's role */
	ROLE_MAX_,
};

struct role_kind {
	const char *name;
	/* Resolves, and is resolvable, in every circle (R1), and may cross circles when they are
	 * enforced (R5). */
	bool bypasses_circles;
	/* Can be asked and notified (R4). A reply reaches its asker whatever this says (R2). */
	bool takes_input;
	/* A surface: one peer row for all of its kind, without a process, always online. */
	bool surface;
	/* Its waiting messages grow old and become dead letters (D7); a person's do not. */
	bool mail_ages;
};

/* The row of a role; never NULL. */
const struct role_kind *role_kind(enum role role);
const char *role_name(enum role role);
/* False when there is no such role, or a peer cannot have it (unknown). */
bool role_parse(const char *name, enum role *ret);

#endif
