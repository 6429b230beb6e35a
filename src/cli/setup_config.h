/* Coppice's own configuration, as far as setup has to do with it: what lets an agent start other agents. */
#ifndef CLI_SETUP_CONFIG_H
#define CLI_SETUP_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "base/config.h"

/* The user's configuration; NULL when it is not valid, which doctor tells. */
struct config *setup_config_read(const char *file);
/* The lines that let agents start the backends of `reports` ([{"backend"}]): an array of strings, empty when
 * the configuration allows it already. `dir` is where the user works. A new reference. */
json_t *setup_config_lines(const struct config *config, const json_t *reports, const char *dir);
/* Says what lines to add; where there is no file yet, asks by `confirm` (NULL: nobody can be asked) and
 * writes it. */
void setup_config_offer(const char *file, const json_t *lines, bool (*confirm)(void));

#endif
