#include "golden.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>

static void folder(char *path, size_t size)
{
    static const char here[] = "tests/unit/wire/golden.c";
    size_t root = strlen(__FILE__) - (sizeof here - 1);
    snprintf(path, size, "%.*sproto/golden", (int)root, __FILE__);
}

static size_t unhex(const char *text, uint8_t *out, size_t capacity, size_t size)
{
    for (; *text != '\0'; text++) {
        unsigned byte;
        if (isspace((unsigned char)*text)) continue;
        cr_assert(size < capacity && sscanf(text, "%2x", &byte) == 1, "no hex: %s", text);
        out[size++] = (uint8_t)byte;
        text++;
    }
    return size;
}

static void take_line(struct golden *golden, char *line, bool *canonical)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "# canonical: ", 13) == 0) {
        golden->canonical_size = unhex(line + 13, golden->canonical, GOLDEN_BYTES_MAX, 0);
        *canonical = true;
    } else if (strncmp(line, "# error: ", 9) == 0) {
        snprintf(golden->error, sizeof golden->error, "%.255s", line + 9);
    } else if (line[0] != '#') {
        golden->size = unhex(line, golden->bytes, GOLDEN_BYTES_MAX, golden->size);
    }
}

void golden_load(struct golden *golden, const char *name)
{
    char path[1024], line[GOLDEN_BYTES_MAX];
    folder(path, sizeof path - 200);
    snprintf(path + strlen(path), 200, "/%s.hex", name);
    *golden = (struct golden){0};
    snprintf(golden->name, sizeof golden->name, "%.127s", name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "cannot open %s", path);
    bool canonical = false;
    while (fgets(line, sizeof line, file) != NULL) take_line(golden, line, &canonical);
    fclose(file);
    if (canonical) return;
    memcpy(golden->canonical, golden->bytes, golden->size);
    golden->canonical_size = golden->size;
}

struct span golden_bytes(const struct golden *golden)
{
    return span_of(golden->bytes, golden->size);
}

struct span golden_canonical(const struct golden *golden)
{
    return span_of(golden->canonical, golden->canonical_size);
}

size_t golden_each(const char *prefix, void (*check)(const struct golden *golden))
{
    char path[1024];
    folder(path, sizeof path);
    DIR *directory = opendir(path);
    cr_assert_not_null(directory, "cannot open %s", path);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".hex") != 0) continue;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        *dot = '\0';
        static struct golden golden;
        golden_load(&golden, entry->d_name);
        check(&golden);
        count++;
    }
    closedir(directory);
    return count;
}
