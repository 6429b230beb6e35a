/* See text_diff.h. Common lines at both ends are left out; between them the longest common subsequence is
 * found by a table, or, where that would be too large, all lines count as changed. */
#include "cli/text_diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 3, SHOWN = 160, CELLS_MAX = 4 << 20 };

struct line {
	const char *text;
	size_t len; /* without its end */
};

struct lines {
	struct line *at;
	size_t n, cap;
};

/* One line of the result: ' ', '-' or '+'. */
struct step {
	char mark;
	struct line line;
	size_t old_line, new_line; /* how many were before it */
};

struct steps {
	struct step *at;
	size_t n, cap;
};

static void split(const char *text, size_t len, struct lines *ret)
{
	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t n = end ? (size_t)(end - text) - i : len - i;
		ARRAY_GROW(ret->at, ret->n, ret->cap);
		ret->at[ret->n++] = (struct line){text + i, n};
		i += n + 1;
	}
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void add(struct steps *steps, char mark, const struct line *line, size_t old_line, size_t new_line)
{
	ARRAY_GROW(steps->at, steps->n, steps->cap);
	steps->at[steps->n++] = (struct step){mark, *line, old_line, new_line};
}

/* The steps of a[i..n) and b[j..m). */
static void compare(const struct lines *a, size_t i, size_t n, const struct lines *b, size_t j, size_t m,
		    struct steps *steps)
{
	size_t wide = m - j + 1, high = n - i + 1;
	bool fits = wide <= CELLS_MAX / high;
	/* common[x][y]: of what follows a[i + x] and b[j + y] */
	autofree uint32_t *common = fits ? xcalloc(wide * high, sizeof(*common)) : NULL;
	for (size_t x = high - 1; fits && x-- > 0;)
		for (size_t y = wide - 1; y-- > 0;) {
			uint32_t down = common[(x + 1) * wide + y], right = common[x * wide + y + 1];
			common[x * wide + y] = same(&a->at[i + x], &b->at[j + y])
						       ? common[(x + 1) * wide + y + 1] + 1
						       : (down > right ? down : right);
		}
	size_t x = 0, y = 0;
	while (x < high - 1 || y < wide - 1) {
		bool old_left = x < high - 1, new_left = y < wide - 1;
		if (fits && old_left && new_left && same(&a->at[i + x], &b->at[j + y])) {
			add(steps, ' ', &a->at[i + x], i + x, j + y);
			x++;
			y++;
		} else if (old_left &&
			   (!new_left || !fits || common[(x + 1) * wide + y] >= common[x * wide + y + 1])) {
			add(steps, '-', &a->at[i + x], i + x, j + y);
			x++;
		} else {
			add(steps, '+', &b->at[j + y], i + x, j + y);
			y++;
		}
	}
}

static void all_steps(const struct lines *a, const struct lines *b, struct steps *steps)
{
	size_t head = 0, n = a->n, m = b->n;
	while (head < n && head < m && same(&a->at[head], &b->at[head]))
		head++;
	while (n > head && m > head && same(&a->at[n - 1], &b->at[m - 1])) {
		n--;
		m--;
	}
	for (size_t i = head > CONTEXT ? head - CONTEXT : 0; i < head; i++)
		add(steps, ' ', &a->at[i], i, i);
	compare(a, head, n, b, head, m, steps);
	for (size_t i = 0; i < CONTEXT && n + i < a->n; i++)
		add(steps, ' ', &a->at[n + i], n + i, m + i);
}

static void show(const struct step *step, struct strbuf *ret)
{
	strbuf_addch(ret, step->mark);
	strbuf_add(ret, step->line.text, step->line.len < SHOWN ? step->line.len : SHOWN);
	strbuf_addstr(ret, step->line.len < SHOWN ? "\n" : "…\n");
}

/* Whether a line is near enough to one that differs. */
static bool near_change(const struct steps *steps, size_t i)
{
	size_t from = i > CONTEXT ? i - CONTEXT : 0;
	for (size_t k = from; k < steps->n && k <= i + CONTEXT; k++)
		if (steps->at[k].mark != ' ')
			return true;
	return false;
}

void text_diff(const char *before, size_t before_len, const char *after, size_t after_len, struct strbuf *ret)
{
	struct lines a = {0}, b = {0};
	struct steps steps = {0};
	split(before, before_len, &a);
	split(after, after_len, &b);
	all_steps(&a, &b, &steps);
	bool shown = false;
	for (size_t i = 0; i < steps.n; i++) {
		bool wanted = near_change(&steps, i);
		if (wanted && !shown)
			strbuf_addf(ret, "@@ line %zu @@\n", steps.at[i].new_line + 1);
		if (wanted)
			show(&steps.at[i], ret);
		shown = wanted;
	}
	free(a.at);
	free(b.at);
	free(steps.at);
}
