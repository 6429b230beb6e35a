/* The guard in peers (W9): `coppice guard HOOK [ARGUMENT…]`, what each hook of git is while core.hooksPath
 * names the folder of guard_hooks.h. It becomes the hook that git would have run without it, if there is one,
 * with the same arguments, input and environment; and before that it looks at
 *
 *   reference-transaction prepared   the references that are about to change
 *   pre-push                         where the other side is a repository of this machine: git takes the
 * guard's environment away from what receives there
 *
 * and refuses when one of them changes a branch that is another peer's, a target branch, or the main
 * worktree's branch (but for a peer that works in the main worktree itself). What leaves the value as it is
 * passes, as `git pack-refs` and `git gc` do with everybody's. Any other branch, tag or reference is as free
 * as without it.
 *
 * After a commit it does what git cannot where the sandbox shuts packed-refs: it drops CHERRY_PICK_HEAD.
 *
 * It guards against accidents; a peer that sets core.hooksPath by itself goes around it (S5 is what
 * confines). */
#ifndef REPO_GUARD_H
#define REPO_GUARD_H

/* argv[0] is the hook: its path in the folder of hooks, which says whose state folder it is whatever else is
 * in the environment; or its name, and then `home` is the state folder, NULL if it is not known. The exit
 * code, unless it becomes the hook.
 *
 * Both `coppice guard` and a program of its own call it (src/main-guard.c), which git starts a hundred times
 * in one rebase: nothing that this needs may need libuv or SQLite, or look up a user. */
int guard_main(const char *home, int argc, char **argv);

#endif
