#!/bin/sh
# The worker of feat/units: independent of the others; writes src/units.c, builds, commits, and lets the others know.
set -eu
cd "$(dirname "$0")/.."

cat > src/units.c <<'C'
/* shapes inches CENTIMETRES */
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

static double to_inches(double centimetres)
{
	return centimetres / 2.54;
}

static int run(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	printf("%g\n", to_inches(strtod(argv[1], NULL)));
	return 0;
}

static int check(void)
{
	return to_inches(2.54) == 1 ? 0 : 1;
}

static struct command command = {.name = "inches", .run = run, .check = check};

__attribute__((constructor)) static void add(void)
{
	command_register(&command);
}
C
make -s check clean
git add src/units.c
git commit -q -m "shapes: centimetres to inches"
coppice notify feat/report 'there is now an inches command too'
echo "centimetres to inches"
