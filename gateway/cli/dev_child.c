/* A child of `holdfast dev`: its output line by line behind its name, and its end. */
#include "cli/dev.h"

#include "cli/terminal.h"

#include <stdarg.h>
#include <unistd.h>

enum { NAME_WIDTH = 8 };

static void print_line(const char *name, int colour, struct span line)
{
    fprintf(stdout, "%s%-*s |%s ", terminal_colour(stdout, colour), NAME_WIDTH, name,
            terminal_plain(stdout));
    if (line.size > 0) fwrite(line.at, 1, line.size, stdout);
    putchar('\n');
}

void dev_say(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_line("dev", 3, span_text(text));
    fflush(stdout);
}

static void end_line(struct dev_child *child)
{
    print_line(child->name, child->colour, span_of(child->line, child->line_size));
    child->line_size = 0;
}

static void take(struct dev_child *child, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        char byte = (char)bytes.at[i];
        if (byte == '\n' || child->line_size == DEV_LINE_MAX) end_line(child);
        if (byte != '\n' && byte != '\r') child->line[child->line_size++] = byte;
    }
}

/* Nothing more comes, or nobody will read it. */
static void stop_reading(struct dev_child *child)
{
    if (!child->reading) return;
    loop_remove(child->loop, &child->output);
    close(child->process.output);
    child->process.output = -1;
    child->reading = false;
    if (child->line_size > 0) end_line(child);
    fflush(stdout);
}

/* False: it has ended. */
static bool read_some(struct dev_child *child)
{
    char bytes[16384];
    ssize_t size = read(child->process.output, bytes, sizeof bytes);
    if (size > 0) take(child, span_of(bytes, (size_t)size));
    return size != 0;
}

static void output_ready(struct loop_watch *watch, uint32_t events)
{
    struct dev_child *child = CONTAINER_OF(watch, struct dev_child, output);
    (void)events;
    if (!read_some(child))
        stop_reading(child);
    else
        fflush(stdout);
}

/* What it said last is in the pipe; at most so much as a pipe holds. */
static void read_rest(struct dev_child *child)
{
    for (int i = 0; i < 64 && child->reading; i++) {
        char bytes[16384];
        ssize_t size = read(child->process.output, bytes, sizeof bytes);
        if (size <= 0) break;
        take(child, span_of(bytes, (size_t)size));
    }
    stop_reading(child);
}

static void has_ended(struct loop_watch *watch, uint32_t events)
{
    struct dev_child *child = CONTAINER_OF(watch, struct dev_child, ended);
    (void)events;
    loop_remove(child->loop, watch);
    int status = process_reap(&child->process);
    read_rest(child);
    child->exited(child, status);
}

void dev_child_init(struct dev_child *child, struct loop *loop, const char *name, int colour)
{
    child->name = name;
    child->colour = colour;
    child->loop = loop;
    child->process = (struct process){.ended = -1, .output = -1};
    child->output.ready = output_ready;
    child->ended.ready = has_ended;
}

bool dev_child_start(struct dev_child *child, const struct process_options *options)
{
    struct errmsg errmsg;
    if (process_start(&child->process, options, &errmsg) != 0) {
        dev_say("%s", errmsg.text);
        return false;
    }
    child->started_us = child->loop->mono_us;
    if (loop_add(child->loop, &child->ended, child->process.ended, LOOP_READ) != 0) {
        process_close(&child->process);
        return false;
    }
    child->reading = loop_add(child->loop, &child->output, child->process.output, LOOP_READ) == 0;
    return true;
}

bool dev_child_runs(const struct dev_child *child)
{
    return child->process.pid > 0;
}

void dev_child_close(struct dev_child *child)
{
    if (dev_child_runs(child)) loop_remove(child->loop, &child->ended);
    stop_reading(child);
    process_close(&child->process);
}
