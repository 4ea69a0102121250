/* The listeners of all I/O threads together, and what the log says of them. */
#include "unit/app/engine_fixture.h"

#include "lib/http_client.h"
#include "os/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { WORKERS = 3, CONNECTIONS_MAX = 6, KNOCKS = 20 };

static char log_path[DIRECTORY_SIZE + 8];

/* What this process says from now on. */
static void begin(void)
{
    world_begin();
    log_level_set(LOG_INFO);
    snprintf(log_path, sizeof log_path, "%s/log", world.directory);
    int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    struct errmsg errmsg = {{0}};
    struct gateway *gateway = world.gateway;
    gateway->settings.gateway.listen = "127.0.0.1:0";
    gateway->settings.gateway.admin = "127.0.0.1:0";
    gateway->limits = (struct server_limits){.body_max = 1 << 20,
                                             .connections_max = CONNECTIONS_MAX,
                                             .head_timeout_ms = 30000,
                                             .idle_timeout_ms = 60000};
    pthread_rwlock_init(&gateway->shared, NULL);
    world_open();
    cr_assert_eq(server_open(&gateway->server, world.loop, &gateway->limits, &errmsg), 0);
}

static void end(void)
{
    struct gateway *gateway = world.gateway;
    for (size_t i = 0; i < gateway->front_count; i++) front_stop(&gateway->fronts[i]);
    server_close(gateway->server);
    for (size_t i = 0; i < gateway->front_count; i++) front_close(&gateway->fronts[i]);
    pthread_rwlock_destroy(&gateway->shared);
    unlink(log_path);
    world_end();
}

TestSuite(listen, .init = begin, .fini = end, .timeout = 60);

static const char *logged(void)
{
    static char text[4096];
    FILE *file = fopen(log_path, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static bool is_served(int fd)
{
    struct http_reply reply;
    client_say(fd, "GET /openapi.yaml HTTP/1.1\r\nHost: h\r\n\r\n");
    client_reply(fd, &reply);
    bool served = reply.status == 200;
    reply_close(&reply);
    return served;
}

Test(listen, io_threads_share_the_connections)
{
    struct errmsg errmsg = {{0}};
    struct gateway *gateway = world.gateway;
    int fds[KNOCKS];
    int served = 0;
    gateway->settings.gateway.workers = WORKERS;
    gateway->settings.gateway.origins[GATEWAY_WORKERS].kind = ORIGIN_FLAG;
    cr_assert_eq(wiring_listen(gateway, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(gateway->front_count, WORKERS);
    for (int i = 0; i < KNOCKS; i++) {
        fds[i] = client_connect(listener_port(gateway->fronts[0].listeners[0]));
        served += is_served(fds[i]);
    }
    for (int i = 0; i < KNOCKS; i++) close(fds[i]);
    cr_assert_leq(served, CONNECTIONS_MAX, "%d connections", served);
    cr_assert_geq(served, CONNECTIONS_MAX / WORKERS);
}

Test(listen, the_log_says_where)
{
    struct errmsg errmsg = {{0}};
    char wanted[128];
    cr_assert_eq(wiring_listen(world.gateway, &errmsg), 0, "%s", errmsg.text);
    snprintf(wanted, sizeof wanted, "listening for=data address=127.0.0.1:0 port=%u\n",
             listener_port(world.gateway->fronts[0].listeners[0]));
    cr_assert_not_null(strstr(logged(), wanted), "%s", logged());
    snprintf(wanted, sizeof wanted, "listening for=admin address=127.0.0.1:0 port=%u\n",
             listener_port(world.gateway->admin_listener));
    cr_assert_not_null(strstr(logged(), wanted), "%s", logged());
}

Test(listen, a_port_that_is_not_known_is_not_number_0)
{
    struct errmsg errmsg = {{0}};
    char path[DIRECTORY_SIZE + 16];
    struct listener *listener;
    snprintf(path, sizeof path, "unix:%s/socket", world.directory);
    struct listener_options options = {.address = path};
    cr_assert_eq(server_listen(world.gateway->server, &options, &listener, &errmsg), 0);
    front_tell_listener("one", path, listener);
    front_tell_listener("other", "127.0.0.1:0", listener);
    cr_assert_null(strstr(logged(), "port=0"), "%s", logged());
    cr_assert_not_null(strstr(logged(), "listening for=one address=unix:"), "%s", logged());
    cr_assert_not_null(strstr(logged(), "warn  listening for=other address=127.0.0.1:0 why="), "%s",
                       logged());
}
