#include "os/random.h"

#include "base/check.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

void random_fill(void *at, size_t size)
{
    uint8_t *next = at;
    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got <= 0) continue;
        next += got;
        size -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_fill(&value, sizeof value);
    return value;
}
