/* How changes of a train are printed. */
#ifndef CLI_CHANGE_OUT_H
#define CLI_CHANGE_OUT_H

#include <jansson.h>

/* {"target","changes":[…]} */
void changes_print(const json_t *answer);

#endif
