#include <criterion/criterion.h>

#include "os/clock.h"
#include "os/log.h"
#include "os/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(log, .timeout = 20);

/* 2026-11-24T13:00:00.007Z */
enum { SECONDS = 1795525200 };
static const int64_t when_us = (int64_t)SECONDS * 1000000 + 7999;

static const char *line_of(enum log_format format, const struct log_field *fields)
{
    static char line[LOG_LINE_MAX + 1];
    size_t size = log_line(line, format, when_us, LOG_INFO, "journal_opened", fields);
    cr_assert_lt(size, LOG_LINE_MAX);
    line[size] = '\0';
    return line;
}

#define FIELDS(...) ((const struct log_field[]){__VA_ARGS__, LOG_END})
#define TEXT(...) line_of(LOG_FORMAT_TEXT, FIELDS(__VA_ARGS__))
#define JSON(...) line_of(LOG_FORMAT_JSON, FIELDS(__VA_ARGS__))
#define HEAD "2026-11-24T13:00:00.007Z info  journal_opened"
#define JSON_HEAD                                                                                  \
    "{\"time\":\"2026-11-24T13:00:00.007Z\",\"level\":\"info\",\"event\":\"journal_opened\""

Test(log, text_form)
{
    cr_assert_str_eq(TEXT(LOG_TEXT("dir", "/data"), LOG_NUMBER("epoch", 3)),
                     HEAD " dir=/data epoch=3");
    cr_assert_str_eq(TEXT(LOG_END), HEAD);
    cr_assert_str_eq(TEXT(LOG_SPAN("address", SPAN_LITERAL("a/b/c"))), HEAD " address=a/b/c");
    cr_assert_str_eq(
        TEXT(LOG_NUMBER("n", -5), LOG_UNSIGNED("m", UINT64_MAX), LOG_HEX("l", 0xabcdef)),
        HEAD " n=-5 m=18446744073709551615 l=0000000000abcdef");
}

Test(log, json_form)
{
    cr_assert_str_eq(JSON(LOG_TEXT("dir", "/data"), LOG_NUMBER("epoch", 3), LOG_HEX("lineage", 1)),
                     JSON_HEAD ",\"dir\":\"/data\",\"epoch\":3,\"lineage\":\"0000000000000001\"}");
}

Test(log, levels_line_up)
{
    char line[LOG_LINE_MAX + 1];
    static const char *const heads[] = {"debug e", "info  e", "warn  e", "error e"};
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        size_t size =
            log_line(line, LOG_FORMAT_TEXT, 0, (enum log_level)level, "e", FIELDS(LOG_END));
        line[size] = '\0';
        cr_assert_str_eq(line + strlen("1970-01-01T00:00:00.000Z "), heads[level]);
    }
}

/* Nobody may forge a line, a field or a terminal sequence by naming something so. */
Test(log, values_are_escaped)
{
    cr_assert_str_eq(TEXT(LOG_TEXT("a", "two words"), LOG_TEXT("b", ""), LOG_TEXT("c", NULL)),
                     HEAD " a=\"two words\" b=\"\" c=\"\"");
    cr_assert_str_eq(TEXT(LOG_TEXT("a", "x=1"), LOG_TEXT("b", "q\"\\")),
                     HEAD " a=\"x=1\" b=\"q\\\"\\\\\"");
    cr_assert_str_eq(TEXT(LOG_TEXT("a", "l1\nl2\r\x1b[2J\x7f")),
                     HEAD " a=\"l1\\nl2\\x0d\\x1b[2J\\x7f\"");
    cr_assert_str_eq(TEXT(LOG_TEXT("a", "\xff\xc2\x9bK \xc3\xbc")),
                     HEAD " a=\"\\xff\\xc2\\x9bK \xc3\xbc\"");
    cr_assert_str_eq(JSON(LOG_TEXT("a", "q\"\\\n\x01\xff\xc3\xbc")),
                     JSON_HEAD ",\"a\":\"q\\\"\\\\\\n\\u0001\\ufffd\xc3\xbc\"}");
    cr_assert_str_eq(TEXT(LOG_SPAN("a", SPAN_LITERAL("x\0y"))), HEAD " a=\"x\\x00y\"");
}

Test(log, long_values_are_cut_between_characters)
{
    char text[LOG_VALUE_MAX * 2 + 2];
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xc3\xbc", 2);
    text[0] = 'x'; /* now the cut goes through a character */
    text[1] = 'x';
    memmove(text + 1, text + 2, sizeof text - 2);
    const char *line = TEXT(LOG_SPAN("a", span_of(text, sizeof text - 2)));
    cr_assert_not_null(strstr(line, "\xc3\xbc...\""), "%s", line);
    cr_assert_null(strstr(line, "\\x"), "%s", line);
}

Test(log, a_line_that_gets_too_long_says_so)
{
    char text[LOG_VALUE_MAX];
    memset(text, '\x01', sizeof text);
    struct log_field field = LOG_SPAN("a", span_of(text, sizeof text));
    const char *line = JSON(field, field, field, field, LOG_NUMBER("z", 1));
    cr_assert_str_eq(line + strlen(line) - strlen(",\"cut\":true}"), ",\"cut\":true}");
    cr_assert_null(strstr(line, "\"z\""));
    cr_assert_null(strstr(line, "\\u000\""), "no field is cut in the middle");
}

/* -- What reaches stderr -- */

static int catch_stderr(void)
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    cr_assert_geq(dup2(pipe_fds[1], STDERR_FILENO), 0);
    close(pipe_fds[1]);
    return pipe_fds[0];
}

Test(log, events_below_the_level_are_not_written)
{
    int from = catch_stderr();
    char text[4096];
    errno = EDOM;
    LOG_BARE(LOG_DEBUG, "hidden");
    LOG(LOG_WARN, "shown", LOG_NUMBER("n", 1));
    log_level_set(LOG_ERROR);
    LOG_BARE(LOG_WARN, "hidden");
    log_init(LOG_FORMAT_JSON);
    LOG_BARE(LOG_ERROR, "last");
    cr_assert_eq(errno, EDOM);
    ssize_t size = read(from, text, sizeof text - 1);
    cr_assert_gt(size, 0);
    text[size] = '\0';
    cr_assert_null(strstr(text, "hidden"));
    cr_assert_not_null(strstr(text, "Z warn  shown n=1\n"));
    cr_assert_not_null(strstr(text, "\"event\":\"last\"}\n"));
    close(from);
}

enum { LINES = 500 };

static void *write_lines(void *name)
{
    for (int i = 0; i < LINES; i++)
        LOG(LOG_INFO, "line", LOG_TEXT("thread", name), LOG_NUMBER("i", i));
    return NULL;
}

static void *count_lines(void *from)
{
    FILE *file = fdopen(*(int *)from, "r");
    char text[512];
    intptr_t good = 0;
    int number, end;
    while (good < 2 * LINES && fgets(text, sizeof text, file) != NULL) {
        char *event = strstr(text, "Z info  line thread=");
        good += event == text + 23 &&
                sscanf(event, "Z info  line thread=%*4s i=%d%n", &number, &end) == 1 &&
                strcmp(event + end, "\n") == 0;
    }
    fclose(file);
    return (void *)good;
}

Test(log, lines_of_several_threads_do_not_mix)
{
    int from = catch_stderr();
    pthread_t reader, writers[2];
    void *good;
    pthread_create(&reader, NULL, count_lines, &from);
    pthread_create(&writers[0], NULL, write_lines, "aaaa");
    pthread_create(&writers[1], NULL, write_lines, "bbbb");
    for (int i = 0; i < 2; i++) pthread_join(writers[i], NULL);
    pthread_join(reader, &good);
    cr_assert_eq((intptr_t)good, 2 * LINES);
}

/* -- Clock and random, too small for files of their own -- */

Test(log, clocks_move_forward)
{
    int64_t mono = clock_mono_us();
    usleep(2000);
    cr_assert_geq(clock_mono_us(), mono + 2000);
    cr_assert_gt(clock_wall_us(), (int64_t)1700000000 * 1000000);
}

Test(log, random_fills_everything_and_only_that)
{
    uint8_t bytes[1000] = {0};
    uint8_t seen[sizeof bytes] = {0};
    for (int round = 0; round < 20; round++) {
        random_fill(bytes, 998);
        for (size_t i = 0; i < sizeof bytes; i++) seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < 998; i++) cr_assert_neq(seen[i], 0, "byte %zu", i);
    cr_assert_eq(seen[998] | seen[999], 0);
    cr_assert_neq(random_u64(), random_u64());
}
