/* Which losses of a pooled connection are nobody's fault, and which are. */
#include "fixture.h"

#include <criterion/criterion.h>

TestSuite(stale, .timeout = 60);

/* The first request of a connection is answered; of the second one's answer only the beginning. */
static void answer_half(struct server *server, int fd, int index)
{
    struct server_request request;
    (void)index;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    if (!server_send_result(fd, "", 0) || !server_request(server, fd, &request)) return;
    server_request_free(&request);
    server_send_text(fd, "HTTP/1.1 200 OK\r\ncontent-ty");
    server_reset(fd);
}

/* Whoever has begun to answer has seen the request: it may have done its work. */
Test(stale, an_answer_that_has_begun_is_not_asked_for_again)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, answer_half, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_assert_told(fixture_one(&f), OUTCOME_LOST, "within the answer");
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    cr_expect_eq(metrics.stale_retries, 0);
    cr_expect_eq(metrics.requests, 2);
    fixture_close(&f);
    server_close(&server);
}
