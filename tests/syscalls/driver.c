/*
 * Small drives of rooms for the call sites that the gateway does not reach within seconds, or not
 * every time. Built with sanitizers, run under the preloaded library.
 *     driver process|missing|notify|file|net|deaf FOLDER
 * Exit 0: it worked; 1: it refused and said why; anything else is a mistake.
 *     driver check FOLDER     aborts
 */
#include "base/check.h"
#include "net/server.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/notify.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WRONG = 5, WAIT_MS = 3000 };

static int refused(const struct errmsg *errmsg)
{
    printf("refused: %s\n", errmsg->text);
    return errmsg->text[0] == 0 ? WRONG : 1;
}

static int wrong(const char *what, int value)
{
    printf("wrong: %s (%d)\n", what, value);
    return WRONG;
}

static bool wait_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, WAIT_MS) == 1;
}

/* -- Processes -- */

static int drive_process(const char *program)
{
    const char *const arguments[] = {program, "-c", "echo $GREETING; exit 3", NULL};
    const char *const environment[] = {"GREETING", "hello", NULL};
    struct process_options options = {arguments, environment, 9};
    struct process process;
    struct errmsg errmsg = {{0}};
    char self[FILE_PATH_MAX], output[100];
    if (process_self(self, sizeof self) != 0) return refused(&(struct errmsg){"no path"});
    if (process_start(&process, &options, &errmsg) != 0) {
        if (process.pid != 0 || process.ended >= 0 || process.output >= 0)
            return wrong("a process that did not start is not empty", 0);
        return refused(&errmsg);
    }
    if ((fcntl(process.output, F_GETFL) & O_NONBLOCK) == 0) return wrong("its output blocks", 0);
    if (!wait_readable(process.ended)) return wrong("no end", 0);
    ssize_t size = read(process.output, output, sizeof output);
    process_signal(&process, 15); /* to whoever is left: nobody */
    int status = process_reap(&process);
    process_close(&process);
    if (status == 126 || status == 127) return refused(&(struct errmsg){"it ended at once"});
    if (status != 3) return wrong("status", status);
    return size == 6 && memcmp(output, "hello\n", 6) == 0 ? 0 : wrong("output", (int)size);
}

/* -- Files that change -- */

static void changed(void *context, const char *path)
{
    if (strstr(path, "inner/new") != NULL) *(bool *)context = true;
}

static int drive_notify(const char *folder)
{
    struct notify notify;
    struct errmsg errmsg = {{0}};
    char path[FILE_PATH_MAX];
    bool seen = false;
    CHECK(path_join(path, folder, "inner") == 0);
    if (directory_make(path, &errmsg) != 0) return refused(&errmsg);
    if (notify_open(&notify, folder, &errmsg) != 0) return refused(&errmsg);
    bool full = notify.full;
    CHECK(path_join(path, folder, "inner/new") == 0);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    for (int i = 0; i < 3 && !seen; i++) {
        struct pollfd one = {.fd = notify.fd, .events = POLLIN};
        if (poll(&one, 1, full ? 50 : 300) == 1) notify_read(&notify, changed, &seen);
    }
    full = full || notify.full || notify.count < 2; /* a directory that could not be looked at */
    notify_close(&notify);
    return seen || full ? 0 : wrong("a change was not seen", 0);
}

/* -- Files -- */

static int drive_file(const char *folder)
{
    static _Alignas(FILE_BLOCK) uint8_t block[FILE_BLOCK], back[FILE_BLOCK];
    char path[FILE_PATH_MAX];
    struct file file;
    struct errmsg errmsg = {{0}};
    size_t got;
    memset(block, 'b', sizeof block);
    CHECK(path_join(path, folder, "direct") == 0);
    int error =
        file_open(&file, path, FILE_WRITE | FILE_CREATE | FILE_EMPTY | FILE_DIRECT, &errmsg);
    if (error != 0) return refused(&errmsg);
    error = file_allocate(&file, 16 * FILE_BLOCK, &errmsg);
    if (error == 0) error = file_write(&file, FILE_BLOCK, span_of(block, sizeof block), &errmsg);
    if (error == 0) error = file_sync(&file, &errmsg);
    file_read_ahead(&file);
    file_forget(&file);
    uint64_t end = file_data_end(&file, 0, 16 * FILE_BLOCK);
    if (error == 0) error = file_read(&file, FILE_BLOCK, back, sizeof back, &got, &errmsg);
    file_close(&file);
    if (error != 0) return refused(&errmsg);
    if (end < 2 * FILE_BLOCK) return wrong("data behind the end of all data", (int)end);
    return memcmp(block, back, sizeof block) == 0 ? 0 : wrong("content", 0);
}

/* -- Connections that nothing comes of -- */

enum { BIG = 32 << 20, NET_MS = 500, UPLOADS = 4, UPLOAD_SIZE = 700000 };

static void answer(void *context, struct http_request *request)
{
    http_answer(request, 200, NULL, 0, span_of(context, BIG));
}

static struct loop_timer beat;
static struct loop *beating;

static void beats(struct loop_timer *timer)
{
    loop_timer_set(beating, timer, loop_now_us(beating) + 10000);
}

static int knock(uint16_t port, const char *say)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(send(fd, say, strlen(say), MSG_NOSIGNAL) == (ssize_t)strlen(say));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static bool ended(int fd)
{
    static char bytes[1 << 20];
    ssize_t size;
    while ((size = recv(fd, bytes, sizeof bytes, 0)) > 0) continue;
    return size == 0 || errno == ECONNRESET;
}

/* Together more than the server holds of bodies that are not whole. */
static void upload(int fd, size_t *left)
{
    static const char bytes[UPLOAD_SIZE];
    ssize_t size = send(fd, bytes, *left, MSG_NOSIGNAL);
    if (size > 0) *left -= (size_t)size;
}

/* With room for a large answer, whoever does not read it is reset; without, it is not given. */
static int drive_net(size_t memory)
{
    struct loop loop;
    struct server *server;
    struct listener *listener;
    struct errmsg errmsg = {{0}};
    struct server_limits limits = {.body_max = 1 << 20,
                                   .connections_max = 100,
                                   .head_timeout_ms = 60,
                                   .idle_timeout_ms = 120,
                                   .bodies_max = memory};
    static uint8_t big[BIG];
    struct listener_options options = {.address = "127.0.0.1:0", .handler = answer, .context = big};
    if (loop_init(&loop) != 0) return refused(&(struct errmsg){"no loop"});
    if (server_open(&server, &loop, &limits, &errmsg) != 0) return refused(&errmsg);
    if (server_listen(server, &options, &listener, &errmsg) != 0) return refused(&errmsg);
    beating = &loop;
    beat.expired = beats;
    loop_timer_set(&loop, &beat, loop_now_us(&loop));
    uint16_t port = listener_port(listener);
    if (port == 0) return refused(&(struct errmsg){"a listener without a port"});
    int quiet = knock(port, ""), deaf = knock(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        large = knock(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\nxx");
    int64_t until_us = clock_mono_us() + NET_MS * 1000;
    int result = 0, uploads[UPLOADS];
    size_t left[UPLOADS] = {UPLOAD_SIZE, UPLOAD_SIZE, UPLOAD_SIZE, UPLOAD_SIZE};
    for (int i = 0; i < UPLOADS; i++)
        uploads[i] = knock(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    while (clock_mono_us() < until_us && result == 0) {
        if (server_turn(server) != 0) result = wrong("a turn failed", 0);
        for (int i = 0; i < UPLOADS; i++) upload(uploads[i], &left[i]);
    }
    if (result == 0 && !ended(quiet)) result = wrong("a quiet connection is left open", 0);
    if (result == 0 && !ended(large)) result = wrong("a refused connection is left open", 0);
    if (result == 0 && !ended(deaf)) result = wrong("a deaf connection is left open", 0);
    loop_timer_clear(&loop, &beat);
    server_close(server);
    loop_close(&loop);
    for (int i = 0; i < UPLOADS; i++) close(uploads[i]);
    close(quiet);
    close(deaf);
    close(large);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 3) return WRONG;
    const char *what = argv[1], *folder = argv[2];
    if (strcmp(what, "process") == 0) return drive_process("/bin/sh");
    if (strcmp(what, "missing") == 0) return drive_process("/nonexistent/program");
    if (strcmp(what, "notify") == 0) return drive_notify(folder);
    if (strcmp(what, "file") == 0) return drive_file(folder);
    if (strcmp(what, "net") == 0) return drive_net(1);
    if (strcmp(what, "deaf") == 0) return drive_net(4 * BIG);
    if (strcmp(what, "check") == 0) check_failed("a planted mistake", __FILE__, __LINE__);
    return WRONG;
}
