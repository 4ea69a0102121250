#include "config/settings.h"

#include "config/module.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Files ---- */

/* Reads at most one byte beyond the limit: tree_read then says that the file is too large. */
static int read_stream(FILE *stream, struct buffer *out)
{
    int error = buffer_reserve(out, TREE_FILE_SIZE_MAX + 1);
    if (error) return error;
    out->size = fread(out->at, 1, TREE_FILE_SIZE_MAX + 1, stream);
    return ferror(stream) ? ERROR_IO : 0;
}

static int read_file(const char *path, struct buffer *out, struct problems *problems)
{
    FILE *stream = fopen(path, "rbe");
    int error = ERROR_IO;
    if (stream) error = read_stream(stream, out);
    if (error == ERROR_IO) {
        struct place place = {path, 0, 0};
        problem_add(problems, place, "the file cannot be read: %s", strerror(errno));
    }
    if (stream) fclose(stream);
    return error;
}

/* ---- Reading ---- */

static void publish(struct settings *settings, const struct module *module)
{
    settings->endpoints = module->endpoints.items;
    settings->endpoint_count = module->endpoints.count;
    settings->ingresses = module->ingresses.items;
    settings->ingress_count = module->ingresses.count;
    settings->egresses = module->egresses.items;
    settings->egress_count = module->egresses.count;
}

static int read_texts(struct module *module, const struct settings_text *texts, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && !error; i++)
        error = module_read(module, texts[i].name, texts[i].text);
    return error;
}

int settings_parse(struct settings *settings, const struct settings_text *texts, size_t count,
                   const struct flags *flags, struct problems *problems)
{
    size_t before = problems_total(problems);
    memset(settings, 0, sizeof *settings);
    arena_init(&settings->arena);
    gateway_defaults(&settings->gateway);
    struct module module = {.reading = {&settings->arena, problems}, .settings = settings};
    int error = read_texts(&module, texts, count);
    if (!error) {
        if (flags) gateway_apply_flags(&module.reading, &settings->gateway, flags);
        publish(settings, &module);
        settings_check(&module, count > 0 ? texts[0].name : NULL);
        problems_sort(problems);
        if (settings->arena.failed) error = ERROR_MEMORY;
        if (!error && problems_total(problems) > before) error = ERROR_INVALID;
    }
    if (error) settings_close(settings);
    return error;
}

static int load_all(struct buffer *buffers, struct settings_text *texts, const char *const *files,
                    size_t count, struct problems *problems)
{
    int error = 0;
    for (size_t i = 0; i < count; i++) {
        buffer_init(&buffers[i]);
        int failed = read_file(files[i], &buffers[i], problems);
        if (failed) error = failed == ERROR_MEMORY ? failed : ERROR_INVALID;
        texts[i] = (struct settings_text){files[i], buffer_span(&buffers[i])};
    }
    return error;
}

int settings_load(struct settings *settings, const char *const *files, size_t count,
                  const struct flags *flags, struct problems *problems)
{
    struct buffer *buffers = calloc(count + 1, sizeof *buffers);
    struct settings_text *texts = calloc(count + 1, sizeof *texts);
    int error = ERROR_MEMORY;
    if (buffers && texts) {
        error = load_all(buffers, texts, files, count, problems);
        if (!error) error = settings_parse(settings, texts, count, flags, problems);
        for (size_t i = 0; i < count; i++) buffer_close(&buffers[i]);
    }
    free(texts);
    free(buffers);
    return error;
}

void settings_close(struct settings *settings)
{
    arena_close(&settings->arena);
    memset(settings, 0, sizeof *settings);
}

/* ---- Connectors that are not part of this version ---- */

static void refuse(struct problems *problems, struct place place, const char *what, struct span id)
{
    struct problem *problem =
        problem_add(problems, place,
                    "the %s \"%.*s\" is valid, but this version does not include the connector yet",
                    what, SPAN_PRINT(id));
    problem_hint(problem, "until then use the HTTP interface: POST /v1/send in, kind: "
                          "holdfast.v1/egress with type: pull out");
}

int settings_refuse_unbuilt(const struct settings *settings, struct problems *problems)
{
    int error = 0;
    for (size_t i = 0; i < settings->ingress_count; i++) {
        const struct ingress_settings *ingress = &settings->ingresses[i];
        if (ingress->kind == INGRESS_PLAYGROUND) continue;
        const char *what = ingress->kind == INGRESS_KAFKA ? "Kafka ingress" : "Kinesis ingress";
        refuse(problems, ingress->place, what, ingress->id);
        error = ERROR_UNSUPPORTED;
    }
    for (size_t i = 0; i < settings->egress_count; i++) {
        const struct egress_settings *egress = &settings->egresses[i];
        bool kafka = egress->kind == EGRESS_SETTINGS_KAFKA;
        if (!kafka && egress->kind != EGRESS_SETTINGS_KINESIS) continue;
        refuse(problems, egress->place, kafka ? "Kafka egress" : "Kinesis egress", egress->id);
        error = ERROR_UNSUPPORTED;
    }
    return error;
}
