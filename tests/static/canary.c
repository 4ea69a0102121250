/* Mistakes that each tool must find, or its silence means nothing. Not part of any build. */
#include <stdlib.h>
#include <string.h>

int canary_null(int wanted);
size_t canary_leak(const char *text);

int canary_null(int wanted)
{
    int *at = NULL;
    if (wanted > 3) at = &wanted;
    return *at;
}

size_t canary_leak(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) return 0;
    return strlen(copy);
}
