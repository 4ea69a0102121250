#include "base/utf8.h"

/* Bytes after the lead byte, or -1; the range of the first of them excludes overlong forms,
   surrogates and what is above U+10FFFF. */
static int sequence_of(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80) return 0;
    if (lead < 0xc2) return -1; /* continuation bytes, overlong two-byte forms */
    if (lead < 0xe0) return 1;
    if (lead < 0xf0) {
        if (lead == 0xe0) *low = 0xa0;
        if (lead == 0xed) *high = 0x9f;
        return 2;
    }
    if (lead > 0xf4) return -1;
    if (lead == 0xf0) *low = 0x90;
    if (lead == 0xf4) *high = 0x8f;
    return 3;
}

/* Size of the longest run of plain ASCII at the start, in steps of 8 bytes. */
static size_t ascii_run(struct span bytes)
{
    size_t size = 0;
    uint64_t word;
    for (; size + sizeof word <= bytes.size; size += sizeof word) {
        memcpy(&word, bytes.at + size, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    return size;
}

/* A byte of the word is below ' ', above '~', or not ASCII. */
static bool any_unprintable(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    return ((word | (word - ones * ' ') | (word + ones)) & tops) != 0;
}

bool ascii_printable(struct span bytes)
{
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof word <= bytes.size; i += sizeof word) {
        memcpy(&word, bytes.at + i, sizeof word);
        if (any_unprintable(word)) return false;
    }
    for (; i < bytes.size; i++)
        if (bytes.at[i] < ' ' || bytes.at[i] > '~') return false;
    return true;
}

bool utf8_valid(struct span bytes)
{
    size_t i = ascii_run(bytes);
    while (i < bytes.size) {
        uint8_t low, high;
        if (bytes.at[i] < 0x80) {
            i++;
            continue;
        }
        int more = sequence_of(bytes.at[i++], &low, &high);
        if (more < 0 || (size_t)more > bytes.size - i) return false;
        for (; more > 0; more--, i++) {
            if (bytes.at[i] < low || bytes.at[i] > high) return false;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}
