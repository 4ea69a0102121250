/* See url.h. */
#include "invoke/url.h"

#include "base/text.h"

#include <ctype.h>
#include <sys/un.h>

#define TOKEN SPAN_LITERAL("{function.name}")
#define SOCKET_SUFFIX SPAN_LITERAL(".sock")

enum { HOST_SIZE_MAX = 253, SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static size_t find(struct span whole, struct span part)
{
    const uint8_t *at = whole.size == 0 ? NULL : memmem(whole.at, whole.size, part.at, part.size);
    return at == NULL ? whole.size : (size_t)(at - whole.at);
}

static bool has_token(struct span text)
{
    return find(text, TOKEN) < text.size;
}

static int scheme_parse(struct span *rest, struct url *url, struct errmsg *errmsg)
{
    static const struct {
        const char *prefix;
        bool secure, local;
    } schemes[] = {{"http://", false, false},
                   {"https://", true, false},
                   {"http+unix://", false, true},
                   {"https+unix://", true, true}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct span prefix = span_text(schemes[i].prefix);
        if (rest->size < prefix.size ||
            strncasecmp((const char *)rest->at, schemes[i].prefix, prefix.size) != 0)
            continue;
        url->secure = schemes[i].secure;
        url->local = schemes[i].local;
        *rest = span_from(*rest, prefix.size);
        return 0;
    }
    return errmsg_set(
        errmsg, ERROR_INVALID,
        "URL '%.*s' begins with none of http://, https://, http+unix://, https+unix://",
        SPAN_PRINT(*rest));
}

/* Visible ASCII without '#', and no braces but those of the token. */
static int characters_check(struct span text, struct errmsg *errmsg)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return errmsg_set(errmsg, ERROR_INVALID, "URL '%.*s' has a character that no URL has",
                              SPAN_PRINT(text));
        if (c == '{') {
            if (!span_starts_with(span_from(text, i), TOKEN)) goto braces;
            i += TOKEN.size - 1;
        }
        if (text.at[i] == '}' && c != '{') goto braces;
    }
    return 0;
braces:
    return errmsg_set(errmsg, ERROR_INVALID,
                      "URL '%.*s' has braces; the only placeholder is {function.name}",
                      SPAN_PRINT(text));
}

/* Everything up to and with the first path element that ends in .sock names the socket. */
static int socket_parse(struct span rest, struct url *url, struct errmsg *errmsg)
{
    if (rest.size == 0 || rest.at[0] != '/')
        return errmsg_set(
            errmsg, ERROR_INVALID,
            "the URL of a Unix socket needs three slashes: http+unix:///path/to.sock");
    for (size_t i = 1; i <= rest.size; i++) {
        if (i < rest.size && rest.at[i] != '/' && rest.at[i] != '?') continue;
        if (i < SOCKET_SUFFIX.size + 1) continue;
        struct span tail = span_of(rest.at + i - SOCKET_SUFFIX.size, SOCKET_SUFFIX.size);
        if (!span_equal(tail, SOCKET_SUFFIX)) continue;
        url->host = span_of(rest.at, i);
        url->path = span_from(rest, i);
        if (i > SOCKET_PATH_MAX && !has_token(url->host))
            return errmsg_set(errmsg, ERROR_INVALID, "socket path '%.*s' is longer than %d bytes",
                              SPAN_PRINT(url->host), (int)SOCKET_PATH_MAX);
        return 0;
    }
    return errmsg_set(errmsg, ERROR_INVALID, "no element of '%.*s' ends in .sock",
                      SPAN_PRINT(rest));
}

static int port_parse(struct span digits, struct url *url, struct errmsg *errmsg)
{
    uint32_t port = 0;
    bool good = digits.size > 0 && digits.size <= 5;
    for (size_t i = 0; good && i < digits.size; i++) {
        good = digits.at[i] >= '0' && digits.at[i] <= '9';
        port = port * 10 + (uint32_t)(digits.at[i] - '0');
    }
    if (!good || port == 0 || port > UINT16_MAX)
        return errmsg_set(errmsg, ERROR_INVALID, "'%.*s' is no port", SPAN_PRINT(digits));
    url->port = (uint16_t)port;
    return 0;
}

static bool host_valid(struct span host, bool bracketed)
{
    if (host.size == 0 || host.size > HOST_SIZE_MAX) return false;
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.at[i];
        bool good = bracketed ? isxdigit(c) || c == ':' || c == '.'
                              : isalnum(c) || c == '.' || c == '-' || c == '_';
        if (!good) return false;
    }
    return true;
}

static int authority_parse(struct span authority, struct url *url, struct errmsg *errmsg)
{
    struct span all = authority, port = SPAN_EMPTY;
    bool has_port = false;
    url->bracketed = all.size > 0 && all.at[0] == '[';
    size_t end = url->bracketed ? find(all, SPAN_LITERAL("]")) : find(all, SPAN_LITERAL(":"));
    if (url->bracketed) {
        if (end == all.size) goto bad;
        url->host = span_of(all.at + 1, end - 1);
        end++;
    } else {
        url->host = span_of(all.at, end);
    }
    if (end < all.size) {
        if (all.at[end] != ':') goto bad;
        has_port = true;
        port = span_from(all, end + 1);
    }
    url->host_varies = has_token(url->host);
    if (url->host.size == 0 || (!url->host_varies && !host_valid(url->host, url->bracketed)))
        goto bad;
    return has_port ? port_parse(port, url, errmsg) : 0;
bad:
    return errmsg_set(errmsg, ERROR_INVALID, "'%.*s' is no host", SPAN_PRINT(all));
}

int url_parse(struct span text, struct url *url, struct errmsg *errmsg)
{
    *url = (struct url){0};
    struct span rest = text;
    int error = characters_check(text, errmsg);
    if (error == 0) error = scheme_parse(&rest, url, errmsg);
    if (error != 0) return error;
    url->path_varies = has_token(rest);
    url->port = url->secure ? 443 : 80;
    if (url->local) {
        error = socket_parse(rest, url, errmsg);
        url->host_varies = has_token(url->host);
        return error;
    }
    size_t end = 0;
    while (end < rest.size && rest.at[end] != '/' && rest.at[end] != '?') end++;
    url->path = span_from(rest, end);
    return authority_parse(span_of(rest.at, end), url, errmsg);
}

int url_host(struct buffer *out, const struct url *url, struct span name)
{
    size_t start = out->size;
    struct span rest = url->host;
    for (;;) {
        size_t at = find(rest, TOKEN);
        buffer_append(out, span_of(rest.at, at));
        if (at == rest.size) break;
        buffer_append(out, name);
        rest = span_from(rest, at + TOKEN.size);
    }
    if (out->failed) return ERROR_MEMORY;
    struct span host = span_from(buffer_span(out), start);
    if (!url->local) return host_valid(host, url->bracketed) ? 0 : ERROR_INVALID;
    return host.size <= SOCKET_PATH_MAX && memchr(host.at, 0, host.size) == NULL ? 0
                                                                                 : ERROR_INVALID;
}

static void target_name(struct buffer *out, struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];
        if (c > ' ' && c < 0x7f && c != '#') {
            buffer_byte(out, c);
        } else {
            buffer_byte(out, '%');
            text_hex(out, c, 2);
        }
    }
}

void url_target(struct buffer *out, const struct url *url, struct span name)
{
    struct span rest = url->path;
    if (rest.size == 0 || rest.at[0] != '/') buffer_byte(out, '/');
    for (;;) {
        size_t at = find(rest, TOKEN);
        buffer_append(out, span_of(rest.at, at));
        if (at == rest.size) return;
        target_name(out, name);
        rest = span_from(rest, at + TOKEN.size);
    }
}
