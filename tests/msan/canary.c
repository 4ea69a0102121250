/* Reads a byte that nobody has written: MemorySanitizer has to say so. */
#include "base/buffer.h"

#include <stdio.h>

int main(void)
{
    struct buffer bytes;
    buffer_init(&bytes);
    if (buffer_reserve(&bytes, 8) != 0) return 2;
    if (bytes.at[3] == 'x') puts("x");
    buffer_close(&bytes);
    return 0;
}
