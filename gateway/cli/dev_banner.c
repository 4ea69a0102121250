/* What `holdfast dev` says when everything runs. */
#include "cli/dev.h"

#include "base/name.h"
#include "cli/terminal.h"

/* "example/greeter" of an endpoint; of a namespace and a star some name in it. */
static void try_name(struct span pattern, char *out, size_t size)
{
    bool is_star = pattern.size > 0 && pattern.at[pattern.size - 1] == '*';
    if (is_star) pattern.size--;
    snprintf(out, size, "%.*s%s", SPAN_PRINT(pattern), is_star ? "greeter" : "");
}

static void print_curl(const char *listen, const char *name)
{
    static const char *const text = "-H 'Content-Type: text/plain' -d hi";
    if (strncmp(listen, "unix:", 5) == 0)
        printf("  try         curl --unix-socket %s %s http://localhost/v1/call/%s/Bob\n",
               listen + 5, text, name);
    else
        printf("  try         curl %s http://%s/v1/call/%s/Bob\n", text, listen, name);
}

static void print_functions(const struct settings *settings)
{
    for (size_t i = 0; i < settings->endpoint_count; i++) {
        const struct endpoint_settings *endpoint = &settings->endpoints[i];
        printf("  functions   %.*s at %.*s\n", SPAN_PRINT(endpoint->pattern),
               SPAN_PRINT(endpoint->url.shown));
    }
}

void dev_banner(const struct dev_options *options)
{
    struct settings settings;
    struct problems problems;
    char name[NAME_SIZE_MAX + 16] = "example/greeter";
    problems_init(&problems);
    bool loaded =
        settings_load(&settings, options->files, options->file_count, NULL, &problems) == 0;
    if (loaded && settings.endpoint_count > 0)
        try_name(settings.endpoints[0].pattern, name, sizeof name);
    printf("\n  %sready%s\n", terminal_colour(stdout, 2), terminal_plain(stdout));
    printf("  messages    %s%s\n", strncmp(options->listen, "unix:", 5) == 0 ? "" : "http://",
           options->listen);
    printf("  operations  %s%s\n", strncmp(options->admin, "unix:", 5) == 0 ? "" : "http://",
           options->admin);
    if (loaded) print_functions(&settings);
    printf("  data        %s\n", options->data);
    print_curl(options->listen, name);
    printf("\n");
    fflush(stdout);
    if (loaded) settings_close(&settings);
}
