#!/bin/sh
# The worker of feat/report: asks feat/area what its function is called, and writes src/report.c against it. The
# branch compiles by itself; it links only in a tree where feat/area has landed, which is what `needs` says.
set -eu
cd "$(dirname "$0")/.."

prototype=$(coppice ask feat/area 'Which function gives the area of a rectangle?' --wait=120)
name=$(printf '%s\n' "$prototype" | sed 's/.*double \([a-z_]*\)(.*/\1/')

cat > src/report.c <<C
/* shapes report */
#include <stdio.h>

#include "command.h"

$prototype

static int run(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int side = 1; side <= 3; side++)
		printf("%d x %d is %g\n", side, side, $name(side, side));
	return 0;
}

static int check(void)
{
	return $name(2, 2) == 4 ? 0 : 1;
}

static struct command command = {.name = "report", .run = run, .check = check};

__attribute__((constructor)) static void add(void)
{
	command_register(&command);
}
C
make -s objects clean
git add src/report.c
git commit -q -m "shapes: a report of areas"
echo "a report, on $name"
