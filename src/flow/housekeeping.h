/* Housekeeping: retention and caps, run as part of normal turns, once an hour and never more than a bounded
 * piece at a time. */
#ifndef FLOW_HOUSEKEEPING_H
#define FLOW_HOUSEKEEPING_H

#include "flow/core.h"

/* Old answers, events and ended effects go; trash entries beyond trash.keep are ordered to be purged (W5). */
void housekeeping(struct core *core);
/* End of a purge; the subject is the trash entry. */
void housekeeping_purged(struct core *core, const char *subject, bool ok, const json_t *result);

#endif
