/* The operation table itself; see op.h. */
#include "ops/table.h"

#include <stddef.h>

#define OP_ENTRY(name) &op_##name,

const struct op *const op_table[] = {OP_LIST(OP_ENTRY) NULL};
