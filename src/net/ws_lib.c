/* Loading libwslay; see ws_lib.h. The number in the library's name is its binary interface, so that what is
 * found has the types that were compiled in. */
#include "net/ws_lib.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char library_name[] = "libwslay.so.1";

static struct ws_lib lib;
static bool loaded;

#define SYMBOL(member, function)                                                                             \
	{                                                                                                    \
		offsetof(struct ws_lib, member), #function                                                   \
	}

static const struct {
	size_t offset;
	const char *name;
} symbols[] = {
	SYMBOL(client_init, wslay_event_context_client_init),
	SYMBOL(context_free, wslay_event_context_free),
	SYMBOL(set_max_recv_msg_length, wslay_event_config_set_max_recv_msg_length),
	SYMBOL(recv, wslay_event_recv),
	SYMBOL(send, wslay_event_send),
	SYMBOL(queue_msg, wslay_event_queue_msg),
	SYMBOL(queue_close, wslay_event_queue_close),
	SYMBOL(set_error, wslay_event_set_error),
	SYMBOL(get_read_enabled, wslay_event_get_read_enabled),
	SYMBOL(get_close_received, wslay_event_get_close_received),
	SYMBOL(get_status_code_received, wslay_event_get_status_code_received),
	SYMBOL(get_status_code_sent, wslay_event_get_status_code_sent),
};

static int missing(struct error *err)
{
	const char *why = dlerror();
	return error_hint(
		err, error_set(err, ERR_MISSING, "cannot load the WebSocket library: %s", why ? why : "?"),
		"install the package libwslay1");
}

int ws_lib_load(const struct ws_lib **ret, struct error *err)
{
	void *handle = loaded ? NULL : dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
	if (!loaded && !handle)
		return missing(err);
	for (size_t i = 0; !loaded && i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(handle, symbols[i].name);
		if (!symbol) {
			int code = missing(err);
			(void)dlclose(handle); /* nothing of it is in use */
			return code;
		}
		/* A function's address, which C does not convert from a void pointer. */
		memcpy((char *)&lib + symbols[i].offset, &symbol, sizeof(symbol));
	}
	loaded = true;
	*ret = &lib;
	return 0;
}
