/* See setup_hooks.h. Every change makes new node numbers, so each step looks for its place anew; files have a
 * few dozen hooks. */
#include "agent/setup_hooks.h"

#include <stdlib.h>
#include <string.h>

#include "agent/setup_own.h"
#include "base/json.h"

enum { STEPS_MAX = 1000, WHAT_MAX = 64 << 10 };

/* One hook that is wanted; all is borrowed. */
struct wanted {
	const char *event, *matcher; /* `matcher` "" for all */
	json_t *hook;		     /* the object to write */
	const char *tail;	     /* of its command */
	bool there;
};

struct list {
	struct wanted *at;
	size_t n, cap;
};

static void list_release(struct list *list)
{
	free(list->at);
}

static const char *matcher_of(const json_t *group)
{
	const char *matcher = json_str(group, "matcher");
	return matcher && strcmp(matcher, "*") != 0 ? matcher : "";
}

static void list_add(struct list *list, const char *event, const char *matcher, json_t *hook,
		     const char *program)
{
	const char *tail = "";
	(void)setup_own_command(json_str(hook, "command"), program, "hook", &tail);
	ARRAY_GROW(list->at, list->n, list->cap);
	list->at[list->n++] = (struct wanted){event, matcher, hook, tail, false};
}

static void list_fill(struct list *list, const struct setup_hooks *hooks)
{
	const char *event;
	size_t i, k;
	json_t *groups, *group, *hook;
	json_object_foreach(hooks->wanted, event, groups)
	{
		json_array_foreach(groups, i, group)
		{
			json_array_foreach(json_object_get(group, "hooks"), k, hook)
			{
				list_add(list, event, matcher_of(group), hook, hooks->program);
			}
		}
	}
}

/* --- what is there --- */

static bool is_own(const struct edit_json *doc, uint32_t hook, const char *program)
{
	if (!edit_json_is(doc, hook, EDIT_JSON_OBJECT))
		return false;
	json_auto_t *command = edit_json_value(doc, edit_json_get(doc, hook, "command"));
	return setup_own_command(json_string_value(command), program, "hook", NULL);
}

bool setup_hooks_find(const struct edit_json *doc, const char *program, size_t n,
		      struct setup_hook_place *ret)
{
	uint32_t all = edit_json_get(doc, edit_json_root(doc), "hooks");
	if (!edit_json_is(doc, all, EDIT_JSON_OBJECT))
		return false;
	for (uint32_t e = edit_json_first(doc, all); e; e = edit_json_next(doc, e)) {
		size_t gi = 0;
		for (uint32_t g = edit_json_first(doc, e); g; g = edit_json_next(doc, g), gi++) {
			size_t hi = 0;
			uint32_t hooks = edit_json_get(doc, g, "hooks");
			for (uint32_t h = edit_json_first(doc, hooks); h; h = edit_json_next(doc, h), hi++) {
				if (!is_own(doc, h, program) || n-- > 0)
					continue;
				*ret = (struct setup_hook_place){e, g, h, gi, hi};
				return true;
			}
		}
	}
	return false;
}

/* The hook, or its whole group if that has no other. */
static uint32_t whole(const struct edit_json *doc, const struct setup_hook_place *place)
{
	uint32_t first = edit_json_first(doc, edit_json_get(doc, place->group, "hooks"));
	return edit_json_next(doc, first) ? place->hook : place->group;
}

static void note(json_t *events, const char *event)
{
	size_t i;
	json_t *old;
	json_array_foreach(events, i, old)
	{
		if (strcmp(json_string_value(old), event) == 0)
			return;
	}
	json_array_append_new(events, json_string(event));
}

static void say(json_t *changes, const char *change, const json_t *events)
{
	autostrbuf what = STRBUF_INIT(WHAT_MAX);
	size_t i;
	json_t *event;
	if (!json_array_size(events))
		return;
	json_array_foreach(events, i, event)
	{
		strbuf_addf(&what, "%s%s", i ? ", " : "hooks for ", json_string_value(event));
	}
	json_t *entry = json_pack("{s:s, s:s}", "kind", "hooks", "change", change);
	json_set_str(entry, "what", strbuf_str(&what));
	json_array_append_new(changes, entry);
}

/* --- applying --- */

static struct wanted *match(const struct edit_json *doc, struct list *list,
			    const struct setup_hook_place *place, const char *program)
{
	autofree char *event = edit_json_key(doc, place->event);
	json_auto_t *group = edit_json_value(doc, place->group);
	json_auto_t *command = edit_json_value(doc, edit_json_get(doc, place->hook, "command"));
	const char *tail = "";
	(void)setup_own_command(json_string_value(command), program, "hook", &tail);
	for (size_t i = 0; i < list->n; i++) {
		struct wanted *w = &list->at[i];
		if (!w->there && strcmp(w->event, event) == 0 && strcmp(w->tail, tail) == 0 &&
		    strcmp(w->matcher, matcher_of(group)) == 0)
			return w;
	}
	return NULL;
}

/* Sets the first member that differs; `ret_changed` when there was one. */
static int mend(struct edit_json *doc, uint32_t hook, json_t *wanted, bool *ret_changed, struct error *err)
{
	const char *key;
	json_t *value;
	*ret_changed = true;
	json_object_foreach(wanted, key, value)
	{
		uint32_t there = edit_json_get(doc, hook, key);
		json_auto_t *old = edit_json_value(doc, there);
		if (!there)
			return edit_json_add(doc, hook, key, value, err);
		if (!json_equal(old, value))
			return edit_json_set(doc, there, value, err);
	}
	/* What makes a hook wait or not is ours to say; other members of the user's stay. */
	static const char *const flags[] = {"async", "asyncRewake"};
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		uint32_t there = edit_json_get(doc, hook, flags[i]);
		if (there && !json_object_get(wanted, flags[i]))
			return edit_json_drop(doc, there, NULL, err);
	}
	*ret_changed = false;
	return 0;
}

struct done {
	json_t *added, *updated, *removed;
};

/* Brings those that are there in line. */
static int mend_all(struct edit_json *doc, struct list *list, const char *program, struct done *done,
		    struct error *err)
{
	struct setup_hook_place place;
	size_t n = 0;
	for (int steps = 0; setup_hooks_find(doc, program, n, &place); steps++) {
		if (steps == STEPS_MAX)
			return error_set(err, ERR_TOO_LARGE, "%s has too many hooks of coppice", doc->file);
		autofree char *event = edit_json_key(doc, place.event);
		struct wanted *w = match(doc, list, &place, program);
		bool changed = true;
		int r = w ? mend(doc, place.hook, w->hook, &changed, err)
			  : edit_json_drop(doc, whole(doc, &place), NULL, err);
		if (r)
			return r;
		if (changed)
			note(w ? done->updated : done->removed, event);
		else
			w->there = true;
		n += !changed;
	}
	return 0;
}

/* The group of all that are missing with the event and matcher of `first`, which are there then. */
static json_t *make_group(struct list *list, size_t first)
{
	const struct wanted *like = &list->at[first];
	json_t *hooks = json_array();
	json_t *group = json_object();
	for (size_t i = first; i < list->n; i++) {
		struct wanted *w = &list->at[i];
		if (w->there || strcmp(w->event, like->event) != 0 || strcmp(w->matcher, like->matcher) != 0)
			continue;
		json_array_append(hooks, w->hook);
		w->there = true;
	}
	if (*like->matcher)
		json_set_str(group, "matcher", like->matcher);
	json_object_set_new(group, "hooks", hooks);
	return group;
}

static int wrong_kind(const struct edit_json *doc, uint32_t node, const char *what, struct error *err)
{
	return error_set(err, ERR_INVALID, "%s:%d: %s", doc->file, edit_json_line(doc, node), what);
}

static int add_group(struct edit_json *doc, const char *event, json_t *group, struct error *err)
{
	uint32_t root = edit_json_root(doc), all = edit_json_get(doc, root, "hooks");
	uint32_t groups = edit_json_get(doc, all, event);
	json_auto_t *list = json_array();
	json_array_append(list, group);
	if (all && !edit_json_is(doc, all, EDIT_JSON_OBJECT))
		return wrong_kind(doc, all, "hooks is no object", err);
	if (groups && !edit_json_is(doc, groups, EDIT_JSON_ARRAY))
		return wrong_kind(doc, groups, "the hooks of this event are no list", err);
	if (groups)
		return edit_json_add(doc, groups, NULL, group, err);
	if (all)
		return edit_json_add(doc, all, event, list, err);
	json_auto_t *hooks = json_object();
	json_object_set(hooks, event, list);
	return edit_json_add(doc, root, "hooks", hooks, err);
}

static int add_missing(struct edit_json *doc, struct list *list, struct done *done, struct error *err)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->at[i].there)
			continue;
		json_auto_t *group = make_group(list, i);
		int r = add_group(doc, list->at[i].event, group, err);
		if (r)
			return r;
		note(done->added, list->at[i].event);
	}
	return 0;
}

int setup_hooks_apply(struct edit_json *doc, const struct setup_hooks *hooks, json_t *changes,
		      struct error *err)
{
	_cleanup_(list_release) struct list list = {0};
	json_auto_t *added = json_array(), *updated = json_array(), *removed = json_array();
	struct done done = {added, updated, removed};
	list_fill(&list, hooks);
	int r = mend_all(doc, &list, hooks->program, &done, err);
	if (!r)
		r = add_missing(doc, &list, &done, err);
	say(changes, "added", added);
	say(changes, "updated", updated);
	say(changes, "removed", removed);
	return r;
}

int setup_hooks_drop(struct edit_json *doc, const struct edit_json *before, const char *program,
		     json_t *changes, struct error *err)
{
	json_auto_t *removed = json_array();
	struct setup_hook_place place;
	for (int steps = 0; setup_hooks_find(doc, program, 0, &place); steps++) {
		if (steps == STEPS_MAX)
			return error_set(err, ERR_TOO_LARGE, "%s has too many hooks of coppice", doc->file);
		autofree char *event = edit_json_key(doc, place.event);
		int r = edit_json_drop(doc, whole(doc, &place), before, err);
		if (r)
			return r;
		note(removed, event);
	}
	say(changes, "removed", removed);
	return 0;
}
