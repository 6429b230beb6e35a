/* replay NAME FOLDER: runs a fuzzer over every file of its corpus, in the order of their names, and says
 * so in TAP. A finding ends the process, as it does under libFuzzer; the name of the input at hand is
 * printed before it is run. Each input is in memory of its exact size, so that ASan sees one byte too far. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "fuzz.h"
#include "os/file.h"

enum { INPUT_MAX = 4 << 20 };

struct names {
	char **at;
	size_t n, cap;
};

static int add_name(const char *name, int type, void *data, struct error *err)
{
	struct names *names = data;
	(void)err;
	if (type != DT_REG)
		return 0;
	ARRAY_GROW(names->at, names->n, names->cap);
	names->at[names->n++] = xstrdup(name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int run_file(const char *folder, const char *name, struct error *err)
{
	autofree char *path = path_join(folder, name);
	autostrbuf text = STRBUF_INIT(INPUT_MAX);
	int r = file_read(path, &text, err);
	if (r)
		return r;
	autofree uint8_t *exact = xmalloc(text.len);
	if (text.len)
		memcpy(exact, text.buf, text.len);
	printf("# %s\n", name);
	(void)fflush(stdout); /* the name is to be seen even if the next line never comes */
	return LLVMFuzzerTestOneInput(exact, text.len) > 0;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: replay NAME FOLDER\n", stderr);
		return 2;
	}
	struct names names = {0};
	autoerror err = {0};
	int r = dir_each(argv[2], add_name, &names, &err);
	if (names.n)
		qsort(names.at, names.n, sizeof(*names.at), by_name);
	for (size_t i = 0; i < names.n && !r; i++)
		r = run_file(argv[2], names.at[i], &err);
	if (r)
		printf("# %s\n", err.message ? err.message : "the fuzzer failed");
	for (char *p = argv[1]; *p; p++)
		if (*p == '-')
			*p = '_';
	printf("1..1\n%s 1 - fuzz_%s_corpus (%zu inputs)\n", r || !names.n ? "not ok" : "ok", argv[1],
	       names.n);
	for (size_t i = 0; i < names.n; i++)
		free(names.at[i]);
	free(names.at);
	return r || !names.n;
}
