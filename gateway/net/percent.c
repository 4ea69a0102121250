/* See percent.h. */
#include "net/percent.h"

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

int percent_decode(struct span encoded, bool plus, uint8_t *out, size_t *size)
{
    size_t used = 0;
    for (size_t i = 0; i < encoded.size; i++) {
        uint8_t byte = encoded.at[i];
        if (byte == '%') {
            if (encoded.size - i < 3) return ERROR_MALFORMED;
            int high = hex_digit(encoded.at[i + 1]);
            int low = hex_digit(encoded.at[i + 2]);
            if (high < 0 || low < 0) return ERROR_MALFORMED;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        out[used++] = byte;
    }
    *size = used;
    return 0;
}
