/* An ingress over a fake port on a server of its own, and a client for it: what every test here
 * needs. */
#ifndef HOLDFAST_TESTS_UNIT_INGRESS_GATEWAY_H
#define HOLDFAST_TESTS_UNIT_INGRESS_GATEWAY_H

#include "ingress/ingress.h"
#include "lib/fake_port.h"
#include "lib/http_client.h"
#include "lib/server_thread.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

struct gateway {
    struct server_thread thread;
    struct fake_port fake;
    struct ingress ingress;
    struct http_reply reply; /* of the last request */
};

extern struct gateway gateway;

/* For TestSuite: starts with the native handler, everybody allowed, everything accepted. */
void gateway_start(void);
void gateway_start_playground(void);
void gateway_stop(void);

/* One request on a connection of its own; `body` NULL: none. The reply is in gateway.reply. */
void ask(const char *method, const char *path, const char *headers, const char *body);
/* What every event is answered from now on. */
void answer_with(struct shard_answer answer);
void answer_nobody(void);

/* A part of the body, which the failure then shows. */
#define assert_body_has(text)                                                                      \
    cr_assert_not_null(strstr(gateway.reply.body, text), "no %s in %s", text, gateway.reply.body)
#define assert_status(expected)                                                                    \
    cr_assert_eq(gateway.reply.status, expected, "%d instead of %d: %s", gateway.reply.status,     \
                 expected, gateway.reply.body)
#define assert_saw(text)                                                                           \
    cr_assert(fake_port_saw(&gateway.fake, text), "no %s in %s", text, fake_port_log(&gateway.fake))
#define assert_header(name, expected)                                                              \
    cr_assert_str_eq(reply_header(&gateway.reply, name) == NULL                                    \
                         ? "(none)"                                                                \
                         : reply_header(&gateway.reply, name),                                     \
                     expected)

#endif
