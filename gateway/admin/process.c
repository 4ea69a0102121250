#include "admin/process.h"

#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* The whole of a small file under /proc as text: they have no size that one could ask for. */
static bool read_text(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    size_t size = fread(text, 1, capacity - 1, file);
    fclose(file);
    text[size] = '\0';
    return size > 0;
}

/* Field `number` of /proc/self/stat, counted from 1 as proc(5) does; the name (2) may hold
 * anything. */
static uint64_t stat_field(const char *stat, int number)
{
    const char *at = strrchr(stat, ')');
    for (int field = 2; field < number && at != NULL; field++) at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* The number after a word at the start of a line. */
static uint64_t number_after(const char *path, const char *word)
{
    static char text[65536]; /* one thread samples */
    const char *line = read_text(path, text, sizeof text) ? strstr(text, word) : NULL;
    return line == NULL ? 0 : strtoull(line + strlen(word), NULL, 10);
}

static void sample_stat(struct sample_process *process)
{
    char stat[1024];
    uint64_t ticks = getauxval(AT_CLKTCK);
    if (!read_text("/proc/self/stat", stat, sizeof stat) || ticks == 0) return;
    process->cpu_us = (stat_field(stat, 14) + stat_field(stat, 15)) * 1000000 / ticks;
    process->virtual_bytes = stat_field(stat, 23);
    process->resident_bytes = stat_field(stat, 24) * getauxval(AT_PAGESZ);
    process->start_us =
        number_after("/proc/stat", "\nbtime ") * 1000000 + stat_field(stat, 22) * 1000000 / ticks;
}

static int count_entry(void *count, const char *name)
{
    (void)name;
    ++*(uint64_t *)count;
    return 0;
}

void admin_process_sample(struct sample_process *process)
{
    *process = (struct sample_process){0};
    sample_stat(process);
    process->open_files_max = number_after("/proc/self/limits", "\nMax open files ");
    uint64_t count = 0;
    if (directory_list("/proc/self/fd", count_entry, &count, NULL) == 0 && count > 0)
        process->open_files = count - 1; /* without the listing's own */
}
