/*
 * The life of `holdfast dev`: the gateway and the function run side by side. The function comes
 * back when it ends or its files change; the gateway's end is the end of all. At the end the
 * gateway goes first, so that the calls that are out can come back.
 */
#include "cli/client.h"
#include "cli/dev.h"
#include "os/clock.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READY_EVERY_US = 100000,
    DEBOUNCE_US = 200000,
    GRACE_US = 5000000,
    WAIT_FIRST_US = 500000, /* until a function that ended is started again; doubles */
    WAIT_MAX_US = 10000000,
    LIVED_LONG_US = 10000000, /* then it begins anew */
    ARGUMENTS_MAX = FLAGS_VALUES_MAX * 2 + 16
};

struct dev {
    const struct dev_options *options;
    struct loop loop;
    struct signals signals;
    struct dev_child gateway;
    struct dev_child function;
    struct notify notify;
    struct loop_watch notify_watch;
    struct loop_timer ready_timer;
    struct loop_timer restart_timer; /* starts the function, or ends it first */
    struct loop_timer kill_timer;
    int64_t wait_us;
    bool restarting; /* the function was told to end for a new start */
    bool ending;
    bool is_ready;
    int code;
};

/* ---- The gateway ---- */

static bool start_gateway(struct dev *dev)
{
    const struct dev_options *options = dev->options;
    const char *arguments[ARGUMENTS_MAX];
    char self[FILE_PATH_MAX];
    size_t count = 0;
    if (process_self(self, sizeof self) != 0) return false;
    arguments[count++] = self;
    arguments[count++] = "run";
    for (size_t i = 0; i < options->file_count; i++) {
        arguments[count++] = "--module";
        arguments[count++] = options->files[i];
    }
    const char *const rest[] = {"--data",  options->data,  "--listen", options->listen,
                                "--admin", options->admin, "--drain",  "3s"};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) arguments[count++] = rest[i];
    arguments[count] = NULL;
    return dev_child_start(
        &dev->gateway, &(struct process_options){.arguments = arguments, .death_signal = SIGTERM});
}

static bool ask_ready(const struct dev *dev)
{
    struct client client;
    struct client_answer answer = {0};
    struct client_request request = {.method = "GET", .path = "/readyz", .timeout_ms = 300};
    if (client_init(&client, dev->options->admin, NULL) != 0) return false;
    client.connect_ms = 300;
    bool ready = client_ask(&client, &request, &answer) == 0 && answer.status == 200;
    client_answer_close(&answer);
    client_close(&client);
    return ready;
}

static void look_ready(struct loop_timer *timer)
{
    struct dev *dev = CONTAINER_OF(timer, struct dev, ready_timer);
    if (dev->ending) return;
    /* Another gateway on this port would answer, too: ours has to be there still a moment later. */
    if (dev_child_runs(&dev->gateway) && ask_ready(dev)) {
        dev->is_ready = true;
        dev_banner(dev->options);
        return;
    }
    loop_timer_set(&dev->loop, timer, loop_now_us(&dev->loop) + READY_EVERY_US);
}

/* ---- The end ---- */

static void end_function(struct dev *dev)
{
    if (!dev_child_runs(&dev->function)) {
        loop_stop(&dev->loop);
        return;
    }
    process_signal(&dev->function.process, SIGTERM);
    loop_timer_set(&dev->loop, &dev->kill_timer, loop_now_us(&dev->loop) + GRACE_US);
}

static void end(struct dev *dev)
{
    dev->ending = true;
    loop_timer_clear(&dev->loop, &dev->restart_timer);
    loop_timer_clear(&dev->loop, &dev->ready_timer);
    if (!dev_child_runs(&dev->gateway)) {
        end_function(dev);
        return;
    }
    process_signal(&dev->gateway.process, SIGTERM);
    loop_timer_set(&dev->loop, &dev->kill_timer, loop_now_us(&dev->loop) + GRACE_US);
}

static void kill_now(struct loop_timer *timer)
{
    struct dev *dev = CONTAINER_OF(timer, struct dev, kill_timer);
    if (dev->ending) process_signal(&dev->gateway.process, SIGKILL);
    if (dev->restarting || !dev_child_runs(&dev->gateway))
        process_signal(&dev->function.process, SIGKILL);
}

static void gateway_exited(struct dev_child *child, int status)
{
    struct dev *dev = CONTAINER_OF(child, struct dev, gateway);
    if (!dev->ending) {
        dev_say("the gateway ended with status %d", status);
        dev->code = status == EXIT_DONE ? EXIT_FAILED : status;
    }
    dev->ending = true;
    loop_timer_clear(&dev->loop, &dev->restart_timer);
    end_function(dev);
}

static void signal_came(struct signals *signals, int number)
{
    struct dev *dev = CONTAINER_OF(signals, struct dev, signals);
    if (number == SIGHUP && isatty(STDOUT_FILENO) == 0) {
        process_signal(&dev->gateway.process, SIGHUP);
        return;
    }
    if (!dev->ending) {
        dev_say("ending; Ctrl-C again kills");
        end(dev);
        return;
    }
    process_signal(&dev->gateway.process, SIGKILL);
    process_signal(&dev->function.process, SIGKILL);
}

/* ---- The function ---- */

static void start_later(struct dev *dev)
{
    loop_timer_set(&dev->loop, &dev->restart_timer, loop_now_us(&dev->loop) + dev->wait_us);
    dev->wait_us = dev->wait_us * 2 > WAIT_MAX_US ? WAIT_MAX_US : dev->wait_us * 2;
}

static void start_function(struct dev *dev)
{
    static const char *const environment[] = {"PYTHONUNBUFFERED", "1", NULL};
    const char *const *command = (const char *const *)dev->options->command;
    struct process_options options = {
        .arguments = command, .environment = environment, .death_signal = SIGKILL};
    if (dev_child_runs(&dev->function) || dev->ending) return;
    if (!dev_child_start(&dev->function, &options)) start_later(dev);
}

static void function_exited(struct dev_child *child, int status)
{
    struct dev *dev = CONTAINER_OF(child, struct dev, function);
    bool restarting = dev->restarting;
    dev->restarting = false;
    if (dev->ending) {
        if (!dev_child_runs(&dev->gateway)) loop_stop(&dev->loop);
        return;
    }
    loop_timer_clear(&dev->loop, &dev->kill_timer);
    if (restarting) {
        start_function(dev);
        return;
    }
    if (loop_now_us(&dev->loop) - child->started_us > LIVED_LONG_US) dev->wait_us = WAIT_FIRST_US;
    dev_say("%s ended with status %d; again in %.1f s", dev->options->command[0], status,
            (double)dev->wait_us / 1e6);
    start_later(dev);
}

static void restart(struct loop_timer *timer)
{
    struct dev *dev = CONTAINER_OF(timer, struct dev, restart_timer);
    if (!dev_child_runs(&dev->function)) {
        start_function(dev);
        return;
    }
    dev->restarting = true;
    process_signal(&dev->function.process, SIGTERM);
    loop_timer_set(&dev->loop, &dev->kill_timer, loop_now_us(&dev->loop) + GRACE_US);
}

/* ---- Files ---- */

static bool same_file(const char *a, const char *b)
{
    char real_a[PATH_MAX], real_b[PATH_MAX];
    return realpath(a, real_a) != NULL && realpath(b, real_b) != NULL &&
           strcmp(real_a, real_b) == 0;
}

static void file_changed(void *context, const char *path)
{
    struct dev *dev = context;
    const struct dev_options *options = dev->options;
    if (dev->ending) return;
    if (strncmp(path, "./", 2) == 0) path += 2;
    for (size_t i = 0; i < options->file_count; i++) {
        if (!same_file(path, options->files[i])) continue;
        dev_say("%s changed: the gateway reads it again", path);
        process_signal(&dev->gateway.process, SIGHUP);
        return;
    }
    if (!dev->restart_timer.set || dev->wait_us > WAIT_FIRST_US)
        dev_say("%s changed: starting the function again", path);
    dev->wait_us = WAIT_FIRST_US;
    loop_timer_set(&dev->loop, &dev->restart_timer, loop_now_us(&dev->loop) + DEBOUNCE_US);
}

static void files_ready(struct loop_watch *watch, uint32_t events)
{
    struct dev *dev = CONTAINER_OF(watch, struct dev, notify_watch);
    (void)events;
    notify_read(&dev->notify, file_changed, dev);
}

static void watch_files(struct dev *dev)
{
    struct errmsg errmsg;
    dev->notify.fd = -1;
    if (dev->options->watch == NULL) return;
    int error = notify_open(&dev->notify, dev->options->watch, &errmsg);
    if (error != 0) {
        dev_say("%s; the function is not started again when its files change", errmsg.text);
        return;
    }
    if (dev->notify.full)
        dev_say("%s has too many folders: only the first %zu are watched", dev->options->watch,
                dev->notify.count);
    dev->notify_watch.ready = files_ready;
    if (loop_add(&dev->loop, &dev->notify_watch, dev->notify.fd, LOOP_READ) != 0)
        notify_close(&dev->notify);
}

static void unwatch_files(struct dev *dev)
{
    if (dev->notify.fd < 0) return;
    loop_remove(&dev->loop, &dev->notify_watch);
    notify_close(&dev->notify);
}

/* ---- All of it ---- */

static void run_loop(struct dev *dev)
{
    watch_files(dev);
    if (!start_gateway(dev)) {
        dev->code = EXIT_FAILED;
    } else {
        start_function(dev);
        loop_timer_set(&dev->loop, &dev->ready_timer, clock_mono_us() + READY_EVERY_US);
        if (loop_run(&dev->loop) != 0) dev->code = EXIT_FAILED;
    }
    dev_child_close(&dev->gateway);
    dev_child_close(&dev->function);
    unwatch_files(dev);
}

int dev_run(const struct dev_options *options)
{
    struct dev *dev = calloc(1, sizeof *dev);
    if (dev == NULL) return EXIT_FAILED;
    dev->options = options;
    dev->wait_us = WAIT_FIRST_US;
    int code = EXIT_FAILED;
    if (loop_init(&dev->loop) != 0) goto free_dev;
    if (signals_open(&dev->signals, &dev->loop, signal_came) != 0) goto close_loop;
    dev_child_init(&dev->gateway, &dev->loop, "gateway", 6);
    dev_child_init(&dev->function, &dev->loop, "function", 2);
    dev->gateway.exited = gateway_exited;
    dev->function.exited = function_exited;
    dev->ready_timer.expired = look_ready;
    dev->restart_timer.expired = restart;
    dev->kill_timer.expired = kill_now;
    run_loop(dev);
    code = dev->code;
    signals_close(&dev->signals);
close_loop:
    loop_close(&dev->loop);
free_dev:
    free(dev);
    return code;
}
