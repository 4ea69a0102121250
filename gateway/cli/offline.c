#include "cli/offline.h"

#include "app/savepoint_file.h"
#include "app/shard_files.h"
#include "base/text.h"
#include "cli/terminal.h"

#include <stdlib.h>

static const struct {
    const char *word;
    int colour; /* 0: none */
} findings[] = {
    [STORE_FINE] = {"ok", 2},   [STORE_NOTE] = {"note", 0}, [STORE_DAMAGED] = {"damaged", 1},
    [STORE_LOST] = {"lost", 1}, [STORE_DONE] = {"done", 2},
};

const char *offline_directory(const struct command *command, const struct flags *flags)
{
    const char *data = flags_text(flags, "--data", NULL);
    if (flags->word_count > 1) {
        usage_error(command, "one data directory at a time");
        return NULL;
    }
    if (flags->word_count == 1) return flags->words[0];
    return data == NULL ? "./holdfast-data" : data;
}

int offline_look(const struct command *command, const char *directory, struct offline_state *state)
{
    struct savepoint_info info;
    struct errmsg errmsg = {{0}};
    *state = (struct offline_state){.directory = directory};
    if (savepoint_read(directory, &info, &errmsg) == 0) {
        state->savepoint = true;
        state->count = info.count;
        free(info.shards);
        return EXIT_DONE;
    }
    int error = shard_files_count(directory, &state->count, &errmsg);
    if (error != 0) return offline_failed(command, error, &errmsg);
    if (state->count == 0) state->count = 1;
    return EXIT_DONE;
}

/* A savepoint keeps its one shard where one of several would be. */
int offline_shard(const struct command *command, const struct offline_state *state, uint32_t shard,
                  char path[FILE_PATH_MAX])
{
    struct errmsg errmsg = {{0}};
    int error = state->savepoint
                    ? savepoint_shard_path(path, state->directory, shard, &errmsg)
                    : shard_files_path(path, state->directory, shard, state->count, &errmsg);
    return error == 0 ? EXIT_DONE : offline_failed(command, error, &errmsg);
}

int offline_failed(const struct command *command, int error, const struct errmsg *errmsg)
{
    fprintf(stderr, "holdfast %s: %s\n", command->name, errmsg->text);
    return error == ERROR_DAMAGED || error == ERROR_NEWER_FORMAT ? EXIT_DAMAGED : EXIT_FAILED;
}

void offline_report(void *context, enum store_finding finding, const char *text)
{
    struct offline_findings *found = context;
    const char *word = findings[finding].word;
    int colour = findings[finding].colour;
    if (!found->json) {
        printf("%s%-7s%s  ", colour == 0 ? "" : terminal_colour(stdout, colour), word,
               colour == 0 ? "" : terminal_plain(stdout));
        terminal_write(stdout, span_text(text));
        putchar('\n');
        return;
    }
    if (found->array.size > 0) buffer_byte(&found->array, ',');
    text_append(&found->array, "{\"finding\":\"");
    text_append(&found->array, word);
    text_append(&found->array, "\",\"text\":");
    text_json_string(&found->array, span_text(text));
    buffer_byte(&found->array, '}');
}
