/* See server_tls.h. */
#include "lib/server_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const files[] = {
    "ca.pem",     "ca.key",     "stranger-ca.pem",   "stranger-ca.key",
    "server.pem", "server.key", "other.pem",         "other.key",
    "client.pem", "client.key", "client-locked.key", "password.txt"};

const char *certificates_path(const struct certificates *certificates, const char *name)
{
    static _Thread_local char paths[4][128];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", certificates->folder, name);
    return path;
}

static bool save(const struct certificates *c, const char *name, X509 *certificate, EVP_PKEY *key,
                 const char *password)
{
    FILE *file = fopen(certificates_path(c, name), "w");
    if (file == NULL) return false;
    bool good;
    if (certificate != NULL)
        good = PEM_write_X509(file, certificate) == 1;
    else
        good = PEM_write_PKCS8PrivateKey(file, key, password != NULL ? EVP_aes_256_cbc() : NULL,
                                         password, password != NULL ? (int)strlen(password) : 0,
                                         NULL, NULL) == 1;
    return fclose(file) == 0 && good;
}

static void extend(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* Signed by the issuer, or by itself. */
static X509 *issue(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                   const char *names)
{
    static long serial;
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509 *by = issuer == NULL ? certificate : issuer;
    X509_set_issuer_name(certificate, X509_get_subject_name(by));
    if (issuer == NULL) extend(certificate, by, NID_basic_constraints, "critical,CA:TRUE");
    if (names != NULL) extend(certificate, by, NID_subject_alt_name, names);
    X509_sign(certificate, issuer == NULL ? key : issuer_key, EVP_sha256());
    return certificate;
}

static bool make_one(const struct certificates *c, const char *name, const char *names, X509 *ca,
                     EVP_PKEY *ca_key)
{
    char file[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = issue(name, key, ca, ca_key, names);
    snprintf(file, sizeof file, "%s.pem", name);
    bool good = save(c, file, certificate, NULL, NULL);
    snprintf(file, sizeof file, "%s.key", name);
    good = good && save(c, file, NULL, key, NULL);
    if (strcmp(name, "client") == 0)
        good = good && save(c, "client-locked.key", NULL, key, "secret");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

bool certificates_make(struct certificates *c)
{
    strcpy(c->folder, "/tmp/holdfast-certificates-XXXXXX");
    if (mkdtemp(c->folder) == NULL) return false;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = issue("ca", key, NULL, NULL, NULL);
    bool good = save(c, "ca.pem", ca, NULL, NULL) && make_one(c, "stranger-ca", NULL, NULL, NULL) &&
                make_one(c, "server", "DNS:localhost,IP:127.0.0.1", ca, key) &&
                make_one(c, "other", "DNS:elsewhere.example", ca, key) &&
                make_one(c, "client", NULL, ca, key);
    X509_free(ca);
    EVP_PKEY_free(key);
    FILE *file = fopen(certificates_path(c, "password.txt"), "w");
    return file != NULL && fputs("secret\n", file) >= 0 && fclose(file) == 0 && good;
}

void certificates_remove(struct certificates *c)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(certificates_path(c, files[i]));
    rmdir(c->folder);
}

static int choose(SSL *session, const unsigned char **out, unsigned char *out_size,
                  const unsigned char *in, unsigned in_size, void *h2)
{
    (void)session;
    static const unsigned char both[] = "\x02h2\x08http/1.1", old[] = "\x08http/1.1";
    const unsigned char *ours = h2 != NULL ? both : old;
    unsigned size = h2 != NULL ? sizeof both - 1 : sizeof old - 1;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, ours, size, in,
                                 in_size) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

SSL_CTX *server_tls_context(const struct certificates *c, enum server_tls_kind kind, bool h2)
{
    static int yes;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    const char *name = kind == SERVER_TLS_WRONG_HOST ? "other" : "server";
    char file[64];
    snprintf(file, sizeof file, "%s.pem", name);
    SSL_CTX_use_certificate_file(context, certificates_path(c, file), SSL_FILETYPE_PEM);
    snprintf(file, sizeof file, "%s.key", name);
    SSL_CTX_use_PrivateKey_file(context, certificates_path(c, file), SSL_FILETYPE_PEM);
    SSL_CTX_set_alpn_select_cb(context, choose, h2 ? &yes : NULL);
    if (kind == SERVER_TLS_ASK_CLIENT) {
        SSL_CTX_load_verify_file(context, certificates_path(c, "ca.pem"));
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (kind == SERVER_TLS_OLD) {
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    }
    return context;
}

SSL *server_tls_accept(SSL_CTX *context, int fd)
{
    SSL *session = SSL_new(context);
    SSL_set_fd(session, fd);
    if (SSL_accept(session) == 1) return session;
    SSL_free(session);
    ERR_clear_error();
    return NULL;
}

void server_tls_end(SSL *session)
{
    if (session == NULL) return;
    SSL_shutdown(session);
    SSL_free(session);
    ERR_clear_error();
}
