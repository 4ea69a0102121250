#include "base/crc.h"

#include <isa-l/crc.h>

uint32_t crc_of(struct span bytes)
{
    return crc_more(0, bytes);
}

uint32_t crc_more(uint32_t crc, struct span bytes)
{
    /* The library takes a non-const pointer and an int; it only reads. */
    while (bytes.size > 0) {
        int size = bytes.size > 1 << 30 ? 1 << 30 : (int)bytes.size;
        crc = ~crc32_iscsi((unsigned char *)(uintptr_t)bytes.at, size, ~crc);
        bytes = span_from(bytes, (size_t)size);
    }
    return crc;
}
