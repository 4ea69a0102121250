/* Values on the command line: VALUE or - as bytes with a type, and answers with a type as text. */
#ifndef HOLDFAST_CLI_INPUT_H
#define HOLDFAST_CLI_INPUT_H

#include "cli/remote.h"

enum { INPUT_TYPE_MAX = 300 };

/* A request's body with the headers that say its type. */
struct input {
    struct buffer bytes;
    char type[INPUT_TYPE_MAX]; /* empty: text/plain, io.statefun.types/string */
};

/*
 * The word at `index`, or all of stdin for "-", or nothing when there is no such word; of the type
 * `type`, or text for NULL. Numbers and booleans of io.statefun.types are encoded, other types are
 * their bytes. 0, or an exit code: it has been told why. Closed by the caller only after 0.
 */
int input_read(struct input *value, const struct command *command, const struct flags *flags,
               size_t index, const char *type);
void input_close(struct input *value);
/* Puts body and headers into a request, from headers[at] on; gives back the next free one. */
size_t input_attach(const struct input *value, struct client_request *request, size_t at);

/* The value of an answer: one JSON object for --output json, else as people read it. `more` are
   members of the object, each with a comma before it. */
void reply_print(const struct remote *remote, const struct client_answer *answer, struct span more);

#endif
