/* core/web/own_certificate.c - see the header. */
#include "core/web/own_certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/random.h"

#define DAY_S (24 * 3600)

/* "IP:10.1.2.3" or "DNS:ci.example.com": no letters that mean something there. */
static int alternative_name(const char *host, char *dst, size_t size)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-")] !=
        '\0')
        return -EINVAL;
    return snprintf(dst, size, "%s:%s", is_address ? "IP" : "DNS", host) < (int) size ? 0 : -EINVAL;
}

static bool add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok = extension && X509_add_ext(x509, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return ok;
}

static bool fill(X509 *x509, EVP_PKEY *key, const char *names)
{
    X509_NAME *name = X509_get_subject_name(x509);
    const unsigned char *organisation = (const unsigned char *) "flotilla";
    int64_t serial = (int64_t) (rng_u64(&rng_system) >> 2 | 1);

    return X509_set_version(x509, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_int64(X509_get_serialNumber(x509), serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -DAY_S) &&
           X509_gmtime_adj(X509_getm_notAfter(x509), 2L * 365 * DAY_S) &&
           X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, organisation, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key) == 1 &&
           add_extension(x509, NID_subject_alt_name, names) &&
           add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x509, NID_ext_key_usage, "serverAuth") &&
           X509_sign(x509, key, EVP_sha256()) > 0;
}

static char *text_of(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    return len > 0 ? mem_strndup(data, (size_t) len) : NULL;
}

/* The key's memory is wiped by the BIO's own. */
static bool write_both(X509 *x509, EVP_PKEY *key, char **ret_certificate, struct secret **ret_key)
{
    BIO *certificate = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    char *data = NULL;
    long len;

    if (certificate && PEM_write_bio_X509(certificate, x509) == 1)
        *ret_certificate = text_of(certificate);
    if (secret && PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1) {
        len = BIO_get_mem_data(secret, &data);
        *ret_key = secret_new(data, (size_t) len);
    }
    BIO_free(certificate);
    BIO_free(secret);
    return *ret_certificate && *ret_key;
}

int own_certificate_make(const char *host, char **ret_certificate, struct secret **ret_key,
                         struct error *err)
{
    char names[300];
    EVP_PKEY *key;
    X509 *x509;
    bool ok;

    if (alternative_name(host, names, sizeof(names)) < 0)
        return error_set(err, -EINVAL, "'%.100s' is no name or address of a host", host);
    key = EVP_EC_gen("P-256");
    x509 = X509_new();
    ok = key && x509 && fill(x509, key, names) && write_both(x509, key, ret_certificate, ret_key);
    X509_free(x509);
    EVP_PKEY_free(key);
    return ok ? 0 : error_set(err, -EIO, "a certificate for '%.100s' cannot be made", host);
}
