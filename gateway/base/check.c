#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text)
{
    ssize_t ignored = write(2, text, strlen(text));
    (void)ignored;
}

_Noreturn void check_failed(const char *what, const char *file, int line)
{
    char digits[16];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do digits[--at] = (char)('0' + line % 10);
    while ((line /= 10) != 0 && at > 0);
    say("holdfast: check failed: ");
    say(what);
    say(" at ");
    say(file);
    say(":");
    say(digits + at);
    say("\n");
    abort();
}
