/* See fuzz.h. With FUZZ_REPLAY a main that runs each file that is named once, and says how many. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

uint8_t fuzz_byte(struct span *input)
{
    if (input->size == 0) return 0;
    uint8_t byte = input->at[0];
    *input = span_from(*input, 1);
    return byte;
}

uint16_t fuzz_short(struct span *input)
{
    unsigned low = fuzz_byte(input);
    return (uint16_t)(low | (unsigned)fuzz_byte(input) << 8);
}

unsigned fuzz_choice(struct span *input, unsigned choices)
{
    return fuzz_byte(input) % choices;
}

static struct span take(struct span *input, size_t size)
{
    struct span part = span_of(input->at, size < input->size ? size : input->size);
    *input = span_from(*input, part.size);
    return part;
}

struct span fuzz_bytes(struct span *input)
{
    size_t size = fuzz_byte(input);
    return take(input, size);
}

struct span fuzz_long_bytes(struct span *input)
{
    size_t size = fuzz_short(input);
    return take(input, size);
}

const char *fuzz_text(struct span *input)
{
    static char kept[16][256];
    static unsigned next;
    char *text = kept[next++ % 16];
    struct span bytes = fuzz_bytes(input);
    if (bytes.size > 0) memcpy(text, bytes.at, bytes.size);
    text[bytes.size] = 0;
    return text;
}

bool fuzz_inside(struct span part, struct span whole)
{
    return part.size == 0 || (part.at >= whole.at && part.at + part.size <= whole.at + whole.size);
}

void fuzz_touch(struct span bytes)
{
    static volatile uint8_t sum;
    for (size_t i = 0; i < bytes.size; i++) sum = (uint8_t)(sum + bytes.at[i]);
}

#ifdef FUZZ_REPLAY

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fuzz_failed(path, __FILE__, __LINE__);
    uint8_t *bytes = malloc(1 << 20);
    FUZZ_CHECK(bytes != NULL);
    size_t size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    /* A block of just that size, so that a sanitizer sees the first byte behind it. */
    uint8_t *exact = realloc(bytes, size == 0 ? 1 : size);
    FUZZ_CHECK(exact != NULL);
    fuzz_one(span_of(exact, size));
    free(exact);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) replay(argv[i]);
    printf("replayed %d inputs\n", argc - 1);
    return argc > 1 ? 0 : 1;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one(span_of(data, size));
    return 0;
}

#endif
