/* libwslay, loaded when it is first needed: the program starts without it (architecture.md, "Start-up is a
 * budget"). */
#ifndef NET_WS_LIB_H
#define NET_WS_LIB_H

#include <sys/types.h>
#include <wslay/wslay.h>

#include "base/error.h"

/* The functions that are used, with wslay's own names and types. */
struct ws_lib {
	__typeof__(wslay_event_context_client_init) *client_init;
	__typeof__(wslay_event_context_free) *context_free;
	__typeof__(wslay_event_config_set_max_recv_msg_length) *set_max_recv_msg_length;
	__typeof__(wslay_event_recv) *recv;
	__typeof__(wslay_event_send) *send;
	__typeof__(wslay_event_queue_msg) *queue_msg;
	__typeof__(wslay_event_queue_close) *queue_close;
	__typeof__(wslay_event_set_error) *set_error;
	__typeof__(wslay_event_get_read_enabled) *get_read_enabled;
	__typeof__(wslay_event_get_close_received) *get_close_received;
	__typeof__(wslay_event_get_status_code_received) *get_status_code_received;
	__typeof__(wslay_event_get_status_code_sent) *get_status_code_sent;
};

/* Loads it, or gives what was loaded before; it stays for the life of the process. ERR_MISSING. */
int ws_lib_load(const struct ws_lib **ret, struct error *err) _warn_unused_;

#endif
