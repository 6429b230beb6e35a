/* What is written from the tables at build time: the man page, and the reference pages of docs/reference. */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include "base/error.h"
#include "base/strbuf.h"

enum { PAGE_MAX = 1 << 20 };

/* coppice(1), for man. */
int page_man(struct strbuf *out, struct error *err) _warn_unused_;
/* A reference page in Markdown: "commands", "operations" or "configuration". */
int page_reference(const char *name, struct strbuf *out, struct error *err) _warn_unused_;
/* The configuration's keys, [{"key","default","doc",…}]; a new reference. */
json_t *page_config_keys(void);

#endif
