/* A self-signed certificate and its key as files, made for one test. */
#ifndef HOLDFAST_TESTS_UNIT_NET_CERTIFICATE_H
#define HOLDFAST_TESTS_UNIT_NET_CERTIFICATE_H

/* Writes both as PEM. */
void certificate_make(const char *cert_path, const char *key_path);

#endif
