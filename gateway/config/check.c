/* What no single document can know: duplicates, one port used twice, protection, at least one
 * endpoint. */
#include "config/module.h"

#include "config/url.h"

/* ---- Duplicates ---- */

static void report_twice(struct problems *problems, struct place place, struct place first,
                         const char *what, struct span name)
{
    problem_add(problems, place, "%s \"%.*s\" is defined twice; first at %s:%u", what,
                SPAN_PRINT(field_shorten(name)), first.file, first.line);
}

static void check_endpoints(const struct settings *settings, struct problems *problems)
{
    const struct endpoint_settings *all = settings->endpoints;
    for (size_t i = 0; i < settings->endpoint_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (all[i].pattern.size == 0 || !span_equal(all[i].pattern, all[j].pattern)) continue;
            report_twice(problems, all[i].place, all[j].place, "an endpoint for", all[i].pattern);
            break;
        }
    }
}

static void check_ingresses(const struct settings *settings, struct problems *problems)
{
    const struct ingress_settings *all = settings->ingresses;
    for (size_t i = 0; i < settings->ingress_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (all[i].id.size == 0 || !span_equal(all[i].id, all[j].id)) continue;
            report_twice(problems, all[i].place, all[j].place, "the ingress", all[i].id);
            break;
        }
    }
}

static void check_egresses(const struct settings *settings, struct problems *problems)
{
    const struct egress_settings *all = settings->egresses;
    for (size_t i = 0; i < settings->egress_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (all[i].id.size == 0 || !span_equal(all[i].id, all[j].id)) continue;
            report_twice(problems, all[i].place, all[j].place, "the egress", all[i].id);
            break;
        }
    }
}

/* ---- Listeners ---- */

enum { LISTENERS_MAX = 4 };

struct listener {
    const char *what;
    struct place place;
    uint16_t port;    /* 0: any free one, or a Unix socket */
    struct span host; /* without the port; "" when the whole address is in `address` */
    struct span address;
};

struct listeners {
    struct listener items[LISTENERS_MAX];
    size_t count;
};

static void add_address(struct listeners *listeners, const char *what, const char *address,
                        const struct origin *origin)
{
    struct span text = span_text(address);
    listeners->items[listeners->count++] =
        (struct listener){what, origin->place, listen_address_port(text), SPAN_EMPTY, text};
}

static void add_port(struct listeners *listeners, const char *what, struct place place,
                     const struct port_settings *port, const char *listen)
{
    struct listener *listener = &listeners->items[listeners->count++];
    *listener = (struct listener){what, place, port->port, SPAN_EMPTY, span_text(listen)};
    if (port->host) listener->host = span_text(port->host);
}

/* Ids of playground kinds are fixed, so that a second one of each has been reported as a duplicate.
 */
static void collect_listeners(const struct settings *settings, struct listeners *listeners)
{
    const struct gateway_settings *gateway = &settings->gateway;
    listeners->count = 0;
    add_address(listeners, "listen", gateway->listen, &gateway->origins[GATEWAY_LISTEN]);
    add_address(listeners, "admin", gateway->admin, &gateway->origins[GATEWAY_ADMIN]);
    for (size_t i = 0; i < settings->ingress_count; i++) {
        const struct ingress_settings *ingress = &settings->ingresses[i];
        if (ingress->kind != INGRESS_PLAYGROUND) continue;
        add_port(listeners, "the playground ingress", ingress->place, &ingress->port,
                 gateway->listen);
        break;
    }
    for (size_t i = 0; i < settings->egress_count; i++) {
        const struct egress_settings *egress = &settings->egresses[i];
        if (egress->kind != EGRESS_SETTINGS_PLAYGROUND) continue;
        add_port(listeners, "the playground egress", egress->place, &egress->port, gateway->listen);
        break;
    }
}

static bool is_local(const struct listener *listener)
{
    return listener->host.size > 0 ? listen_host_local(listener->host)
                                   : listen_address_local(listener->address);
}

/* The same port on two addresses of the machine would work, and is nearly always a mistake. */
static void check_ports(const struct listeners *listeners, struct problems *problems)
{
    for (size_t i = 0; i < listeners->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct listener *a = &listeners->items[i], *b = &listeners->items[j];
            if (a->port == 0 || a->port != b->port) continue;
            struct place place = a->place.file ? a->place : b->place;
            problem_add(problems, place, "port %u is used by %s and by %s", a->port, b->what,
                        a->what);
        }
    }
}

static void check_protection(const struct settings *settings, const struct listeners *listeners,
                             struct problems *problems)
{
    const struct gateway_settings *gateway = &settings->gateway;
    if (gateway->unprotected || gateway->token_file || gateway->tls_client_ca) return;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *listener = &listeners->items[i];
        if (is_local(listener)) continue;
        struct problem *problem = problem_add(
            problems, listener->place,
            "%s can be reached from other machines, but nothing protects it", listener->what);
        problem_hint(problem, "give --token-file or --tls-client-ca, listen on 127.0.0.1, or say "
                              "--unprotected if that is meant");
    }
}

static void check_tls(const struct gateway_settings *gateway, struct problems *problems)
{
    struct place place = gateway->origins[GATEWAY_TLS_CERT].place;
    if (!gateway->tls_cert) place = gateway->origins[GATEWAY_TLS_KEY].place;
    if (!gateway->tls_cert != !gateway->tls_key) {
        problem_add(problems, place,
                    "tlsCert (--tls-cert) and tlsKey (--tls-key) must be given "
                    "together");
    } else if (gateway->tls_client_ca && !gateway->tls_cert) {
        problem_add(
            problems, gateway->origins[GATEWAY_TLS_CLIENT_CA].place,
            "client certificates need TLS: give tlsCert (--tls-cert) and tlsKey (--tls-key)");
    }
}

void settings_check(const struct module *module, const char *file)
{
    const struct settings *settings = module->settings;
    struct problems *problems = module->reading.problems;
    if (settings->endpoint_count == 0 && !module->file_failed && problems_total(problems) == 0) {
        struct place place = {file, 0, 0};
        struct problem *problem =
            problem_add(problems, place,
                        file ? "no endpoint: nothing could be called" : "no module.yaml was given");
        problem_hint(problem, file ? "add a document of kind: io.statefun.endpoints.v2/http"
                                   : "say which with -m module.yaml");
    }
    check_endpoints(settings, problems);
    check_ingresses(settings, problems);
    check_egresses(settings, problems);
    struct listeners listeners;
    collect_listeners(settings, &listeners);
    check_ports(&listeners, problems);
    check_protection(settings, &listeners, problems);
    check_tls(&settings->gateway, problems);
}
