#include "cli/offline.h"

#include "base/text.h"
#include "cli/terminal.h"

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
