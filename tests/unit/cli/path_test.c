/* Addresses of the command line as paths of the API. */
#include "cli/remote.h"

#include <criterion/criterion.h>

static void is(bool (*append)(struct buffer *path, const char *word), const char *word,
               const char *wanted)
{
    struct buffer path;
    buffer_init(&path);
    cr_assert(append(&path, word), "%s", word);
    cr_assert_str_eq(path_text(&path), wanted);
    buffer_close(&path);
}

static void is_none(bool (*append)(struct buffer *path, const char *word), const char *word)
{
    struct buffer path;
    buffer_init(&path);
    cr_assert_not(append(&path, word), "%s", word);
    buffer_close(&path);
}

Test(path, addresses)
{
    is(path_address, "a/b/c", "/a/b/c");
    is(path_address, "a/b/c/d e", "/a/b/c%2Fd%20e");
    is(path_address, "a/b/\xc3\xbc?#%", "/a/b/%C3%BC%3F%23%25");
    is_none(path_address, "a/b");
    is_none(path_address, "a/b/");
    is_none(path_address, "/b/c");
    is_none(path_address, "a//c");
    is_none(path_address, "");
}

Test(path, names)
{
    is(path_name, "a/b", "/a/b");
    is_none(path_name, "a");
    is_none(path_name, "a/b/c");
    is_none(path_name, "a/");
}

Test(path, queries)
{
    struct buffer path;
    buffer_init(&path);
    buffer_append(&path, SPAN_LITERAL("/x"));
    path_query(&path, "a", "1&2");
    path_query(&path, "b", NULL);
    path_query(&path, "c", "d");
    cr_assert_str_eq(path_text(&path), "/x?a=1%262&c=d");
    buffer_close(&path);
}
