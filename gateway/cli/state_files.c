/* holdfast state list, export, import: see state.h. */
#include "cli/state.h"

#include "base/text.h"
#include "cli/lines.h"
#include "cli/rows.h"
#include "cli/terminal.h"

#include <stdlib.h>

enum { LIST_MAX = 1000, PAGE_MAX = 1000 };

/* ---- list ---- */

struct listing {
    struct remote *remote;
    const char *name; /* ns/type */
    uint64_t left;
    char *after;
};

static const char *id_of(json_t *key)
{
    const char *id = json_string_value(key);
    return id != NULL ? id : json_string_value(json_object_get(key, "id"));
}

static void print_key(const struct listing *listing, json_t *key)
{
    const char *id = id_of(key);
    if (id == NULL) return;
    if (listing->remote->json) {
        rows_json(key);
        return;
    }
    terminal_write(stdout, span_text(id));
    putchar('\n');
}

/* One page; listing->after is NULL at the end. */
static int list_page(struct listing *listing)
{
    struct buffer path;
    char limit[24];
    int code = EXIT_FAILED;
    snprintf(limit, sizeof limit, "%d",
             listing->left < PAGE_MAX ? (int)listing->left : (int)PAGE_MAX);
    buffer_init(&path);
    text_append(&path, "/v1/keys");
    if (!path_name(&path, listing->name)) {
        buffer_close(&path);
        return usage_error(&command_state, "a function type is namespace/name, not \"%.80s\"",
                           listing->name);
    }
    path_query(&path, "limit", limit);
    path_query(&path, "after", listing->after);
    const char *text = path_text(&path);
    json_t *answer = text == NULL ? NULL : rows_get(listing->remote, "GET", text, &code);
    buffer_close(&path);
    if (answer == NULL) return code;
    json_t *keys = json_object_get(answer, "keys");
    for (size_t i = 0; i < json_array_size(keys) && listing->left > 0; i++, listing->left--)
        print_key(listing, json_array_get(keys, i));
    const char *next = json_string_value(json_object_get(answer, "next"));
    free(listing->after);
    listing->after = next == NULL ? NULL : strdup(next);
    json_decref(answer);
    return EXIT_DONE;
}

int state_list(struct remote *remote, const struct flags *flags)
{
    const char *after = flags_text(flags, "--after", NULL);
    const char *limit = flags_text(flags, "--limit", NULL);
    struct listing listing = {remote, flags->words[1], LIST_MAX,
                              after == NULL ? NULL : strdup(after)};
    char *end = NULL;
    if (limit != NULL) listing.left = strtoull(limit, &end, 10);
    int code = EXIT_DONE;
    if (limit != NULL && (*end != 0 || listing.left == 0))
        code = usage_error(&command_state, "--limit is a number from 1");
    do {
        if (code == EXIT_DONE) code = list_page(&listing);
    } while (code == EXIT_DONE && listing.after != NULL && listing.left > 0);
    if (code == EXIT_DONE && listing.after != NULL)
        fprintf(stderr, "there are more: --limit, or --after the last one\n");
    free(listing.after);
    return code;
}

/* ---- export ---- */

static int export_page(struct remote *remote, const char *type, char *next, size_t size)
{
    struct buffer path;
    struct client_answer answer;
    int code = EXIT_FAILED;
    buffer_init(&path);
    text_append(&path, "/v1/export");
    path_query(&path, "type", type);
    path_query(&path, "after", next[0] == 0 ? NULL : next);
    struct client_request request = {.method = "GET", .path = path_text(&path)};
    if (request.path != NULL) {
        code = remote_ask(remote, &request, &answer);
        struct span body = buffer_span(&answer.body);
        if (code == EXIT_DONE) {
            if (body.size > 0) fwrite(body.at, 1, body.size, stdout);
            if (!client_header(&answer, "holdfast-next", next, size)) next[0] = 0;
        }
        client_answer_close(&answer);
    }
    buffer_close(&path);
    return code;
}

int state_export(struct remote *remote, const struct flags *flags)
{
    char next[4096] = "";
    int code;
    do {
        code =
            export_page(remote, flags->word_count > 1 ? flags->words[1] : NULL, next, sizeof next);
    } while (code == EXIT_DONE && next[0] != 0 && !ferror(stdout));
    return code;
}

/* ---- import ---- */

int state_import(struct remote *remote, const struct flags *flags)
{
    const char *name = flags->word_count > 1 ? flags->words[1] : "-";
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    if (in == NULL) {
        fprintf(stderr, "holdfast state: cannot read %s\n", name);
        return EXIT_FAILED;
    }
    int code = lines_send(&(struct lines_job){remote, "/v1/import", "written", in});
    if (in != stdin) fclose(in);
    return code;
}
