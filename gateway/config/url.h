/* Checks on URLs of functions and addresses of listeners. Nothing is resolved here. */
#ifndef HOLDFAST_CONFIG_URL_H
#define HOLDFAST_CONFIG_URL_H

#include "base/span.h"

/* NULL when good, else what is wrong, to follow "the URL ". */
const char *url_template_fault(struct span url);

/* NULL when good, else what is wrong. "host:port", "[v6]:port", "unix:/path"; port 0 = any. */
const char *listen_address_fault(struct span address);
/* Only this machine can reach it. */
bool listen_address_local(struct span address);
/* The port of "host:port"; 0 for a Unix socket. The address is good. */
uint16_t listen_address_port(struct span address);
/* The same for a host without a port: an IP address without brackets, or a name. */
const char *listen_host_fault(struct span host);
bool listen_host_local(struct span host);

#endif
