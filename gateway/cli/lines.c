#include "cli/lines.h"

#include "cli/terminal.h"
#include "os/clock.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { BATCH_LINES = 1000, BATCH_BYTES = 4 << 20, FULL_TRIES_MAX = 100, FULL_WAIT_MS = 200 };

struct sending {
    const struct lines_job *job;
    struct buffer body;
    uint64_t numbers[BATCH_LINES]; /* in the input, from 1, of each line of the body */
    size_t starts[BATCH_LINES + 1];
    size_t count;
    bool again[BATCH_LINES]; /* was refused for now */
    uint64_t line;           /* lines read */
    uint64_t taken, refused, duplicates;
    uint64_t bytes_read, bytes_total; /* total 0: not known */
    struct progress progress;
};

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r\n")] == 0;
}

/* Fills the body with the next lines. */
static void read_batch(struct sending *sending)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    buffer_clear(&sending->body);
    sending->count = 0;
    while (sending->count < BATCH_LINES && sending->body.size < BATCH_BYTES &&
           (size = getline(&line, &capacity, sending->job->in)) >= 0) {
        sending->line++;
        sending->bytes_read += (uint64_t)size;
        if (is_blank(line)) continue;
        sending->starts[sending->count] = sending->body.size;
        sending->numbers[sending->count++] = sending->line;
        buffer_append(&sending->body, span_of(line, (size_t)size));
        if (line[size - 1] != '\n') buffer_byte(&sending->body, '\n');
    }
    sending->starts[sending->count] = sending->body.size;
    free(line);
}

static void take_status(struct sending *sending, json_t *row)
{
    json_int_t index = json_integer_value(json_object_get(row, "line")) - 1;
    json_int_t status = json_integer_value(json_object_get(row, "status"));
    if (index < 0 || (size_t)index >= sending->count) return;
    if (status >= 200 && status < 300) {
        sending->taken++;
        if (json_is_true(json_object_get(row, "duplicate"))) sending->duplicates++;
        return;
    }
    if (status == 429 || status == 503) {
        sending->again[index] = true;
        return;
    }
    const char *detail = json_string_value(json_object_get(row, "detail"));
    sending->refused++;
    progress_end(&sending->progress);
    fprintf(stderr, "line %" PRIu64 ": ", sending->numbers[index]);
    terminal_write(stderr, span_text(detail == NULL ? "refused" : detail));
    fprintf(stderr, " (%d)\n", (int)status);
}

/* The answer has one line of JSON for each. */
static void take_answer(struct sending *sending, struct span body)
{
    memset(sending->again, 0, sizeof sending->again);
    while (body.size > 0) {
        const uint8_t *end = memchr(body.at, '\n', body.size);
        size_t size = end == NULL ? body.size : (size_t)(end - body.at);
        json_t *row = json_loadb((const char *)body.at, size, JSON_ALLOW_NUL, NULL);
        if (row != NULL) take_status(sending, row);
        json_decref(row);
        body = span_from(body, size + 1);
    }
}

/* Keeps only the lines that are to be sent again. */
static void keep_refused(struct sending *sending)
{
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < sending->count; i++) {
        size_t start = sending->starts[i], size = sending->starts[i + 1] - start;
        if (!sending->again[i]) continue;
        memmove(sending->body.at + at, sending->body.at + start, size);
        sending->numbers[kept] = sending->numbers[i];
        sending->starts[kept++] = at;
        at += size;
    }
    sending->count = kept;
    sending->starts[kept] = at;
    buffer_truncate(&sending->body, at);
}

static int send_batch(struct sending *sending)
{
    struct remote *remote = sending->job->remote;
    for (int tries = 0; sending->count > 0; tries++) {
        struct client_answer answer;
        struct client_request request = {.method = "POST",
                                         .path = sending->job->path,
                                         .headers = {{"content-type", "application/x-ndjson"}},
                                         .body = buffer_span(&sending->body)};
        int code = remote_ask(remote, &request, &answer);
        if (code == EXIT_DONE) take_answer(sending, buffer_span(&answer.body));
        client_answer_close(&answer);
        if (code != EXIT_DONE) return code;
        keep_refused(sending);
        if (sending->count == 0) break;
        if (tries == FULL_TRIES_MAX) {
            fprintf(stderr, "holdfast %s: the gateway stays full\n", remote->command->name);
            return EXIT_FAILED;
        }
        poll(NULL, 0, FULL_WAIT_MS);
    }
    return EXIT_DONE;
}

static void tell(const struct sending *sending)
{
    const struct lines_job *job = sending->job;
    if (job->remote->json)
        printf("{\"%s\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"refused\":%" PRIu64 "}\n",
               job->verb, sending->taken, sending->duplicates, sending->refused);
    else
        printf("%" PRIu64 " %s (%" PRIu64 " of them known already), %" PRIu64 " refused\n",
               sending->taken, job->verb, sending->duplicates, sending->refused);
}

int lines_send(const struct lines_job *job)
{
    struct sending *sending = calloc(1, sizeof *sending);
    struct stat status;
    int code = EXIT_DONE;
    if (sending == NULL) return EXIT_FAILED;
    sending->job = job;
    buffer_init(&sending->body);
    if (fstat(fileno(job->in), &status) == 0 && S_ISREG(status.st_mode))
        sending->bytes_total = (uint64_t)status.st_size;
    for (read_batch(sending); sending->count > 0 && code == EXIT_DONE; read_batch(sending)) {
        code = sending->body.failed ? EXIT_FAILED : send_batch(sending);
        bool known = sending->bytes_total > 0;
        progress_show(&sending->progress, job->verb, known ? sending->bytes_read : sending->taken,
                      sending->bytes_total);
    }
    progress_end(&sending->progress);
    tell(sending);
    if (code == EXIT_DONE && sending->refused > 0) code = EXIT_FAILED;
    buffer_close(&sending->body);
    free(sending);
    return code;
}
