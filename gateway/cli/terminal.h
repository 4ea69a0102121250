/* Colours and progress, on a terminal only. NO_COLOR (no-color.org) and TERM=dumb are honoured. */
#ifndef HOLDFAST_CLI_TERMINAL_H
#define HOLDFAST_CLI_TERMINAL_H

#include "base/span.h"

#include <stdio.h>

bool terminal_is(FILE *out);
bool terminal_has_colours(FILE *out);

/* Escape sequences, or "" where there are no colours. */
const char *terminal_bold(FILE *out);
const char *terminal_colour(FILE *out, int number); /* 1 red, 2 green, 3 yellow, 4 blue, 6 cyan */
const char *terminal_plain(FILE *out);

/* A line on stderr that is written over and over, at most ten times a second; nothing when stderr
   is no terminal. */
struct progress {
    int64_t shown_us;
    bool shown;
};
void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total);
void progress_end(struct progress *progress);

/* Text from outside: control characters become '?', so that it cannot play with the terminal. */
void terminal_write(FILE *out, struct span text);

#endif
