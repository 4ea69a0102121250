/* A wall clock that has never been set: h2o's time-outs are reckoned with it. */
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static bool unset_clock;

/* In place of the C library's, for h2o too. */
int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(unset_clock ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
    static time_t first;
    if (first == 0) first = now.tv_sec - 3;
    time->tv_sec = unset_clock ? now.tv_sec - first : now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

Test(epoch, answers_in_the_first_seconds_of_1970, .timeout = 30)
{
    struct echo echo;
    struct http_reply reply;
    unset_clock = true;
    echo_start(&echo, SERVER_LIMITS);
    for (int i = 0; i < 3; i++) {
        client_request(echo.thread.port, "POST", "/echo", "", "abc", 3, &reply);
        cr_assert_eq(reply.status, 200);
        reply_close(&reply);
        usleep(300000);
    }
    server_thread_stop(&echo.thread);
}
