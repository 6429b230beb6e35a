/* See repo_config.h. */
#include "flow/repo_config.h"

#include <string.h>

#include "base/alloc.h"

int repo_config(const struct core *core, const char *repo_id, struct config **ret_owned,
		const struct config **ret, struct error *err)
{
	autofree char *text = db_text(core->store, "SELECT config FROM repo WHERE repo_id = ?", "s", repo_id);
	*ret = core->config;
	if (!text || !core->config_source)
		return 0;
	struct config_source src = *core->config_source;
	src.repo_file = ".coppice.yaml";
	src.repo_text = text;
	src.repo_len = strlen(text);
	struct config *merged = NULL;
	autoerror why = {0};
	int code = config_parse(&src, &merged, err ? err : &why);
	if (code)
		return err ? code : 0;
	*ret_owned = merged;
	*ret = merged;
	return 0;
}
