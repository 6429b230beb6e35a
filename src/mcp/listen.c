/* Subscriptions; see listen.h. */
#include "mcp/listen.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/list.h"
#include "net/jsonrpc.h"

#define META "io.modelcontextprotocol/"

struct listen {
	struct list link;
	json_t *id; /* owned; as it came: a text or a number */
	bool tools;
};

struct mcp_listens {
	struct list open; /* oldest first */
	size_t n;
};

struct mcp_listens *mcp_listens_new(void)
{
	struct mcp_listens *l = xcalloc(1, sizeof(*l));
	list_init(&l->open);
	return l;
}

static void listen_free(struct mcp_listens *l, struct listen *listen)
{
	list_remove(&listen->link);
	json_decref(listen->id);
	free(listen);
	l->n--;
}

void mcp_listens_free(struct mcp_listens *l)
{
	if (!l)
		return;
	list_for_each_safe (pos, &l->open)
		listen_free(l, list_entry(pos, struct listen, link));
	free(l);
}

static struct listen *find(const struct mcp_listens *l, const json_t *id)
{
	list_for_each (pos, &l->open) {
		struct listen *listen = list_entry(pos, struct listen, link);
		if (json_equal(listen->id, id))
			return listen;
	}
	return NULL;
}

static bool is_filter(const json_t *filter)
{
	static const char *const flags[] = {"toolsListChanged", "promptsListChanged", "resourcesListChanged"};
	const json_t *uris = json_object_get(filter, "resourceSubscriptions");
	if (!json_is_object(filter) || (uris && !json_is_array(uris)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const json_t *flag = json_object_get(filter, flags[i]);
		if (flag && !json_is_boolean(flag))
			return false;
	}
	for (size_t i = 0; i < json_array_size(uris); i++)
		if (!json_is_string(json_array_get(uris, i)))
			return false;
	return true;
}

/* `params` is taken, and given the mark of the subscription. */
static void tell(const struct listen *listen, const char *method, json_t *params, struct strbuf *out)
{
	json_object_set_new(params, "_meta", json_pack("{s:O}", META "subscriptionId", listen->id));
	jsonrpc_write_notification(out, method, params);
}

int mcp_listens_open(struct mcp_listens *l, const json_t *id, const json_t *params, struct strbuf *out,
		     struct error *err)
{
	const json_t *filter = json_object_get(params, "notifications");
	if (!is_filter(filter))
		return error_set(err, ERR_INVALID,
				 "subscriptions/listen names by its notifications what is listened for");
	if (find(l, id))
		return error_set(err, ERR_EXISTS, "a request of that id is under way");
	if (l->n >= MCP_LISTENS_MAX)
		return error_set(err, ERR_TOO_LARGE, "%d subscriptions are open, and that is the limit",
				 MCP_LISTENS_MAX);
	struct listen *listen = xcalloc(1, sizeof(*listen));
	listen->id = json_deep_copy(id);
	listen->tools = json_bool(filter, "toolsListChanged", false);
	list_append(&l->open, &listen->link);
	l->n++;
	json_t *honoured = json_object();
	if (listen->tools)
		json_object_set_new(honoured, "toolsListChanged", json_true());
	tell(listen, "notifications/subscriptions/acknowledged",
	     json_pack("{s:o}", "notifications", honoured), out);
	return 0;
}

void mcp_listens_cancel(struct mcp_listens *l, const json_t *id)
{
	struct listen *listen = find(l, id);
	if (listen)
		listen_free(l, listen);
}

bool mcp_listens_for_tools(const struct mcp_listens *l)
{
	list_for_each (pos, &l->open)
		if (list_entry(pos, struct listen, link)->tools)
			return true;
	return false;
}

void mcp_listens_tell_tools(const struct mcp_listens *l, struct strbuf *out)
{
	list_for_each (pos, &l->open) {
		const struct listen *listen = list_entry(pos, struct listen, link);
		if (listen->tools)
			tell(listen, "notifications/tools/list_changed", json_object(), out);
	}
}

void mcp_listens_end(struct mcp_listens *l, json_t *server, struct strbuf *out)
{
	list_for_each_safe (pos, &l->open) {
		struct listen *listen = list_entry(pos, struct listen, link);
		json_t *meta =
			json_pack("{s:O, s:O}", META "subscriptionId", listen->id, META "serverInfo", server);
		jsonrpc_write_result(out, listen->id,
				     json_pack("{s:s, s:o}", "resultType", "complete", "_meta", meta));
		listen_free(l, listen);
	}
}
