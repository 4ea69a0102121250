/*
 * A gateway that a command speaks to: where it is and with which token, by flags and environment,
 * and how its refusals are told.
 */
#ifndef HOLDFAST_CLI_REMOTE_H
#define HOLDFAST_CLI_REMOTE_H

#include "cli/client.h"
#include "cli/command.h"

#define FLAG_OUTPUT                                                                                \
    {                                                                                              \
        "--output", 'o', "FORMAT", "table or json (table)", NULL, false                            \
    }
#define FLAG_TOKEN_FILE                                                                            \
    {                                                                                              \
        "--token-file", 0, "FILE", "the first token in it is sent [HOLDFAST_TOKEN_FILE]",          \
            "HOLDFAST_TOKEN_FILE", false                                                           \
    }
#define FLAGS_DATA_SIDE                                                                            \
    {                                                                                              \
        "--listen",                                                                                \
        0,                                                                                         \
        "ADDR",                                                                                    \
        "the gateway's data side (127.0.0.1:7400) [HOLDFAST_LISTEN]",                              \
        "HOLDFAST_LISTEN",                                                                         \
        false},                                                                                    \
    {                                                                                              \
        "--address", 0, "ADDR", "the same", NULL, false                                            \
    }
#define FLAG_ADMIN_SIDE                                                                            \
    {                                                                                              \
        "--admin", 0, "ADDR", "the gateway's operations side (127.0.0.1:7401) [HOLDFAST_ADMIN]",   \
            "HOLDFAST_ADMIN", false                                                                \
    }

enum remote_side { REMOTE_DATA, REMOTE_ADMIN };

struct remote {
    const struct command *command;
    struct client client;
    bool json; /* --output json */
    char token[260];
};

/* 0, or an exit code: it has been told why. After a failure there is nothing to close. */
int remote_open(struct remote *remote, const struct command *command, const struct flags *flags,
                enum remote_side side);
void remote_close(struct remote *remote);
/* --output of commands without a remote. 0 or EXIT_USAGE. */
int output_read(const struct command *command, const struct flags *flags, bool *json);

/* EXIT_DONE for an answer of 200 to 299. Otherwise the reason has been told. The answer is closed
   by the caller in any case. */
int remote_ask(struct remote *remote, const struct client_request *request,
               struct client_answer *answer);
/* One sentence for an answer that is not 200 to 299. Gives back EXIT_FAILED. */
int remote_refused(const struct remote *remote, const struct client_answer *answer);

/* ---- Addresses on the command line ---- */

/* Percent-encoded behind what is in `path` already, without a '/'. */
void path_segment(struct buffer *path, struct span text);
/* "/ns/type/id" or "/ns/type" of a word; everything after the second '/' is the id. False: it has
   not so many parts. */
bool path_address(struct buffer *path, const char *word);
bool path_name(struct buffer *path, const char *word);
/* "?name=value" or "&name=value"; nothing for NULL. */
void path_query(struct buffer *path, const char *name, const char *value);
/* Ends it with a zero; NULL: out of memory. */
const char *path_text(struct buffer *path);

#endif
