#!/bin/sh
# The worker of feat/area: writes src/area.c, builds, commits, and tells whoever asks what the function is called.
set -eu
cd "$(dirname "$0")/.."

cat > src/area.c <<'C'
/* shapes area WIDTH HEIGHT */
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

double area_of_rectangle(double width, double height);

double area_of_rectangle(double width, double height)
{
	return width * height;
}

static int run(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	printf("%g\n", area_of_rectangle(strtod(argv[1], NULL), strtod(argv[2], NULL)));
	return 0;
}

static int check(void)
{
	return area_of_rectangle(3, 4) == 12 ? 0 : 1;
}

static struct command command = {.name = "area", .run = run, .check = check};

__attribute__((constructor)) static void add(void)
{
	command_register(&command);
}
C
make -s check clean
git add src/area.c
git commit -q -m "shapes: area of a rectangle"

# feat/report depends on this name, so it asks for it; the ask is closed with the answer.
answer='double area_of_rectangle(double width, double height);'
while :; do
	ask=$(coppice inbox --wait=120 --json | sed -n 's/.*"id":"\(ask-[0-9a-z]*\)".*/\1/p')
	[ -n "$ask" ] || continue
	coppice ack "$ask" "$answer"
	break
done
echo "area of a rectangle, and one question answered"
