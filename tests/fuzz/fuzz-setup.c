/* Fuzzes setting up and taking back on whole files: a file that is not refused has all that is wanted in it
 * after one run, is not changed by another, and is what it was when it is taken out. The first byte chooses
 * the file and what is allowed. */
#include <assert.h>
#include <string.h>

#include "agent/setup_backend.h"
#include "fuzz.h"

enum { TEXT_MAX = 1 << 20 };

struct run {
	struct strbuf text;
	json_t *changes, *notes;
};

static void run_init(struct run *run)
{
	*run = (struct run){STRBUF_INIT(TEXT_MAX), json_array(), json_array()};
}

static void run_release(struct run *run)
{
	strbuf_release(&run->text);
	json_decref(run->changes);
	json_decref(run->notes);
}

#define autorun _cleanup_(run_release) struct run

static int apply(const struct setup_file *file, const char *text, size_t len, unsigned allow, struct run *ret)
{
	const struct setup_text now = {"f", text, len};
	const struct setup_wish wish = {.program = "/a b/coppice", .version = "2.1.330", .allow = allow};
	struct setup_said said = {ret->changes, ret->notes};
	return file->apply(&now, &wish, &ret->text, &said, NULL);
}

static int drop(const struct setup_file *file, const struct strbuf *text, const struct strbuf *before,
		struct run *ret)
{
	const struct setup_text now = {"f", strbuf_str(text), text->len};
	const struct setup_text old = {"f", before ? strbuf_str(before) : NULL, before ? before->len : 0};
	struct setup_said said = {ret->changes, ret->notes};
	return file->drop(&now, before ? &old : NULL, NULL, &ret->text, &said, NULL);
}

static bool same(const struct strbuf *a, const struct strbuf *b)
{
	return a->len == b->len && memcmp(strbuf_str(a), strbuf_str(b), a->len) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 16)
		return 0;
	const struct setup_backend *backend = data[0] & 1 ? &setup_codex : &setup_claude_code;
	const struct setup_file *file = &backend->files[data[0] >> 1 & 1];
	unsigned allow = data[0] >> 2 & (SETUP_ALLOW_TOOLS | SETUP_ALLOW_INBOX);
	autostrbuf input = STRBUF_INIT(TEXT_MAX);
	autorun clean, once, twice, back;
	run_init(&clean);
	run_init(&once);
	run_init(&twice);
	run_init(&back);
	strbuf_add(&input, data + 1, size - 1);
	/* What is of ours in it already is no part of what has to come back. */
	if (drop(file, &input, NULL, &clean) != 0)
		return 0;
	if (apply(file, strbuf_str(&clean.text), clean.text.len, allow, &once) != 0)
		return 0;
	int r = apply(file, strbuf_str(&once.text), once.text.len, allow, &twice);
	assert(!r && same(&once.text, &twice.text) && json_array_size(twice.changes) == 0);
	r = drop(file, &once.text, &clean.text, &back);
	assert(!r && same(&clean.text, &back.text));
	return 0;
}
