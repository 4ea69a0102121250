#include "config/url.h"

#include <arpa/inet.h>
#include <ctype.h>

enum { URL_SIZE_MAX = 2048, HOST_SIZE_MAX = 253, UNIX_PATH_SIZE_MAX = 107 };

static const char function_name[] = "{function.name}";

static bool find(struct span text, uint8_t byte, size_t *position)
{
    const uint8_t *at = text.size == 0 ? NULL : memchr(text.at, byte, text.size);
    if (at) *position = (size_t)(at - text.at);
    return at != NULL;
}

static bool parse_port(struct span text, unsigned *port)
{
    *port = 0;
    if (text.size == 0 || text.size > 5) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit(text.at[i])) return false;
        *port = *port * 10 + (unsigned)(text.at[i] - '0');
    }
    return *port <= UINT16_MAX;
}

static bool host_name(struct span host)
{
    if (host.size == 0 || host.size > HOST_SIZE_MAX) return false;
    for (size_t i = 0; i < host.size; i++) {
        uint8_t byte = host.at[i];
        if (!isalnum(byte) && byte != '-' && byte != '.' && byte != '_') return false;
    }
    return true;
}

static bool address_of(int family, struct span host, void *address)
{
    char text[INET6_ADDRSTRLEN];
    if (host.size == 0 || host.size >= sizeof text) return false;
    memcpy(text, host.at, host.size);
    text[host.size] = 0;
    return inet_pton(family, text, address) == 1;
}

static bool is_v6(struct span host)
{
    struct in6_addr address;
    return address_of(AF_INET6, host, &address);
}

/* "host", "host:port", "[v6]", "[v6]:port"; `port` is empty when there is none. */
static bool split_authority(struct span authority, struct span *host, struct span *port)
{
    size_t end = 0;
    *port = SPAN_EMPTY;
    if (authority.size > 0 && authority.at[0] == '[') {
        if (!find(authority, ']', &end)) return false;
        *host = span_of(authority.at + 1, end - 1);
        struct span rest = span_from(authority, end + 1);
        if (rest.size == 0) return is_v6(*host);
        *port = span_from(rest, 1);
        return rest.at[0] == ':' && is_v6(*host);
    }
    if (!find(authority, ':', &end)) {
        *host = authority;
        return host_name(*host);
    }
    *host = span_of(authority.at, end);
    *port = span_from(authority, end + 1);
    return host_name(*host);
}

/* ---- URLs of functions ---- */

/* The text with each {function.name} replaced by "f"; false when another brace is left. */
static bool fill(struct span url, uint8_t *out, size_t *size)
{
    struct span placeholder = span_of(function_name, sizeof function_name - 1);
    *size = 0;
    for (size_t i = 0; i < url.size;) {
        uint8_t byte = url.at[i];
        bool is_placeholder = span_starts_with(span_from(url, i), placeholder);
        if (!is_placeholder && (byte == '{' || byte == '}')) return false;
        out[(*size)++] = is_placeholder ? 'f' : byte;
        i += is_placeholder ? placeholder.size : 1;
    }
    return true;
}

static bool clean(struct span url)
{
    for (size_t i = 0; i < url.size; i++) {
        if (url.at[i] <= 0x20 || url.at[i] >= 0x7f || strchr("\"<>\\^`|", url.at[i])) return false;
    }
    return true;
}

/* A path element must end in ".sock": there the path of the socket ends. */
static const char *unix_fault(struct span path)
{
    static const char missing[] = "needs a path with an element that ends in .sock";
    if (path.size == 0 || path.at[0] != '/') return missing;
    for (size_t i = 5; i <= path.size; i++) {
        bool element_ends = i == path.size || path.at[i] == '/';
        if (!element_ends || memcmp(path.at + i - 5, ".sock", 5) != 0) continue;
        return i > UNIX_PATH_SIZE_MAX ? "has a socket path that is too long" : NULL;
    }
    return missing;
}

static const char *network_fault(struct span rest)
{
    size_t end = 0;
    while (end < rest.size && rest.at[end] != '/' && rest.at[end] != '?') end++;
    struct span authority = span_of(rest.at, end), host, port;
    size_t at = 0;
    if (find(authority, '@', &at)) return "holds a user name, which nothing would use";
    if (authority.size == 0) return "has no host";
    if (!split_authority(authority, &host, &port)) return "has a bad host";
    bool has_colon = authority.at[authority.size - 1] == ':' || port.size > 0;
    unsigned number = 0;
    if (has_colon && (!parse_port(port, &number) || number == 0))
        return "has a bad port: it must be a number from 1 to 65535";
    return NULL;
}

static const char *filled_fault(struct span url)
{
    static const struct {
        const char *scheme;
        const char *(*fault)(struct span rest);
    } schemes[] = {{"http://", network_fault},
                   {"https://", network_fault},
                   {"http+unix://", unix_fault},
                   {"https+unix://", unix_fault}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct span scheme = span_text(schemes[i].scheme);
        if (span_starts_with(url, scheme)) return schemes[i].fault(span_from(url, scheme.size));
    }
    return "must begin with http://, https://, http+unix:// or https+unix://";
}

const char *url_template_fault(struct span url)
{
    uint8_t filled[URL_SIZE_MAX];
    size_t size = 0;
    if (url.size > sizeof filled) return "is longer than 2048 bytes";
    if (!fill(url, filled, &size)) return "has a brace; the only placeholder is {function.name}";
    struct span text = span_of(filled, size);
    size_t fragment = 0;
    if (!clean(text)) return "has a space or another character that must be percent-encoded";
    if (find(text, '#', &fragment)) return "has a fragment (#), which is never sent";
    return filled_fault(text);
}

/* ---- Addresses of listeners ---- */

static const struct span unix_prefix = {(const uint8_t *)"unix:", 5};

const char *listen_host_fault(struct span host)
{
    return is_v6(host) || host_name(host) ? NULL : "is no IP address or host name";
}

const char *listen_address_fault(struct span address)
{
    struct span host, port;
    unsigned number = 0;
    if (span_starts_with(address, unix_prefix)) {
        size_t size = address.size - unix_prefix.size;
        return size == 0 || size > UNIX_PATH_SIZE_MAX ? "has a path that is empty or too long"
                                                      : NULL;
    }
    if (!split_authority(address, &host, &port))
        return "must be host:port, [v6]:port or unix:/path";
    return parse_port(port, &number) ? NULL : "needs a port from 0 to 65535 after the host";
}

bool listen_host_local(struct span host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (span_equal(host, SPAN_LITERAL("localhost"))) return true;
    if (address_of(AF_INET, host, &v4)) return ntohl(v4.s_addr) >> 24 == 127;
    return address_of(AF_INET6, host, &v6) && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool listen_address_local(struct span address)
{
    struct span host, port;
    if (span_starts_with(address, unix_prefix)) return true;
    return split_authority(address, &host, &port) && listen_host_local(host);
}

uint16_t listen_address_port(struct span address)
{
    struct span host, port;
    unsigned number = 0;
    if (span_starts_with(address, unix_prefix)) return 0;
    if (!split_authority(address, &host, &port) || !parse_port(port, &number)) return 0;
    return (uint16_t)number;
}
