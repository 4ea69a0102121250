#include "cli/terminal.h"

#include "os/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROGRESS_EVERY_US = 100000, BAR_WIDTH = 30 };

bool terminal_is(FILE *out)
{
    return isatty(fileno(out)) == 1;
}

bool terminal_has_colours(FILE *out)
{
    const char *off = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    return terminal_is(out) && (off == NULL || off[0] == 0) &&
           (kind == NULL || strcmp(kind, "dumb") != 0);
}

const char *terminal_bold(FILE *out)
{
    return terminal_has_colours(out) ? "\033[1m" : "";
}

const char *terminal_colour(FILE *out, int number)
{
    static const char *const codes[8] = {"\033[30m", "\033[31m", "\033[32m", "\033[33m",
                                         "\033[34m", "\033[35m", "\033[36m", "\033[37m"};
    return terminal_has_colours(out) ? codes[number & 7] : "";
}

const char *terminal_plain(FILE *out)
{
    return terminal_has_colours(out) ? "\033[0m" : "";
}

void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total)
{
    int64_t now_us = clock_mono_us();
    if (!terminal_is(stderr) || now_us - progress->shown_us < PROGRESS_EVERY_US) return;
    progress->shown_us = now_us;
    progress->shown = true;
    if (total == 0) { /* nobody knows how much there is */
        fprintf(stderr, "\r\033[K%s: %" PRIu64, what, done);
        return;
    }
    int full = done >= total ? BAR_WIDTH : (int)((double)BAR_WIDTH * (double)done / (double)total);
    fprintf(stderr, "\r\033[K%s [%.*s%*s] %d %%", what, full, "##############################",
            BAR_WIDTH - full, "", (int)(100.0 * (double)done / (double)total));
}

void progress_end(struct progress *progress)
{
    if (progress->shown) fprintf(stderr, "\r\033[K");
    progress->shown = false;
}

void terminal_write(FILE *out, struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        putc(text.at[i] < 0x20 || text.at[i] == 0x7f ? '?' : text.at[i], out);
}
