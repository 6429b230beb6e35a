/* Display names; see name.h. */
#include "mesh/name.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "os/file.h"

static bool name_byte(unsigned char c)
{
	return c > 0x20 && c != 0x7F && c != ':' && c != '~';
}

int peer_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);
	bool ok = len >= 1 && len <= PEER_NAME_MAX && name[0] != '-' && utf8_valid(name, len);
	for (size_t i = 0; ok && i < len; i++)
		ok = name_byte((unsigned char)name[i]);
	if (ok)
		return 0;
	return error_hint(err, error_set(err, ERR_INVALID, "not a peer's name"),
			  "use 1 to %d bytes without blanks, ':' and '~', not starting with '-'",
			  PEER_NAME_MAX);
}

void peer_name_default(const char *branch, const char *path, const char *backend, char ret[PEER_NAME_SIZE])
{
	const char *source = branch && *branch ? branch : path ? path_base(path) : "";
	if (!*source)
		source = backend && *backend ? backend : "peer";
	/* Replaced before it is cut, so that the cut can step back to a whole character. */
	autostrbuf valid = STRBUF_INIT(16384);
	utf8_make_valid(source, strnlen(source, 4096), &valid);
	const char *text = strbuf_str(&valid);
	size_t len = valid.len;
	if (len > PEER_NAME_MAX) {
		len = PEER_NAME_MAX;
		while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		ret[i] = name_byte((unsigned char)text[i]) ? text[i] : '-';
	ret[len] = '\0';
	if (ret[0] == '-')
		ret[0] = '_';
}

static bool taken(struct store *s, const char *circle, const char *name, const char *peer_id)
{
	return db_int(s, 0,
		      "SELECT 1 FROM peer WHERE name = ? AND live = 1 AND circle = ? AND peer_id IS NOT ?",
		      "sss", name, circle, peer_id) != 0;
}

void peer_name_allocate(struct store *s, const char *circle, const char *wish, const char *peer_id,
			char ret[PEER_NAME_SIZE])
{
	char name[PEER_NAME_SIZE];
	(void)snprintf(name, sizeof(name), "%s", wish);
	int base = (int)strcspn(wish, "~");
	for (int n = 2; taken(s, circle, name, peer_id); n++)
		(void)snprintf(name, sizeof(name), "%.*s~%d", base > PEER_NAME_MAX ? PEER_NAME_MAX : base,
			       wish, n);
	memcpy(ret, name, sizeof(name));
}
