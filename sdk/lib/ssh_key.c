/* sdk/lib/ssh_key.c - SSH keys: the public half of one that is given, and new ones. Pure but for chance. */
#include "sdk/lib/ssh_key.h"

#include "sdk/lib/openssh_key.h"
#include "sdk/lib/wipe.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ED25519 "ssh-ed25519"
#define HALF 32 /* of an Ed25519 key */
#define BLOB_MAX 4096
#define LINE 70

/* The wire format of SSH: lengths of four bytes before each text. */
struct blob {
    unsigned char data[BLOB_MAX];
    size_t len;
};

static void add_bytes(struct blob *blob, const void *data, size_t len)
{
    if (len > sizeof(blob->data) - blob->len)
        len = 0;
    if (len > 0)
        memcpy(blob->data + blob->len, data, len);
    blob->len += len;
}

static void add_u32(struct blob *blob, uint32_t number)
{
    unsigned char bytes[4] = { (unsigned char) (number >> 24), (unsigned char) (number >> 16),
                               (unsigned char) (number >> 8), (unsigned char) number };

    add_bytes(blob, bytes, sizeof(bytes));
}

static void add_text(struct blob *blob, const void *data, size_t len)
{
    add_u32(blob, (uint32_t) len);
    add_bytes(blob, data, len);
}

static void add_number(struct blob *blob, const BIGNUM *number)
{
    unsigned char bytes[BLOB_MAX / 4];
    int len = number ? BN_num_bytes(number) : 0;

    if (len < 1 || (size_t) len + 1 > sizeof(bytes))
        return;
    bytes[0] = 0; /* keeps it positive */
    (void) BN_bn2bin(number, bytes + 1);
    if (bytes[1] & 0x80)
        add_text(blob, bytes, (size_t) len + 1);
    else
        add_text(blob, bytes + 1, (size_t) len);
}

/* "TYPE BASE64" of a public blob, which begins with its type. */
static char *line_of(const unsigned char *blob, size_t len)
{
    size_t type_len = len > 4 ? blob[3] : 0;
    char *line;

    if (type_len == 0 || type_len > 64 || 4 + type_len > len || len > BLOB_MAX)
        return NULL;
    line = malloc(type_len + 1 + (len + 2) / 3 * 4 + 1);
    if (!line)
        return NULL;
    memcpy(line, blob + 4, type_len);
    line[type_len] = ' ';
    (void) EVP_EncodeBlock((unsigned char *) line + type_len + 1, blob, (int) len);
    return line;
}

static char *line_of_openssh(const char *key)
{
    struct flt_openssh_key parts;
    char *line =
        flt_openssh_open(key, &parts) == 0 ? line_of(parts.public, parts.public_len) : NULL;

    flt_openssh_done(&parts);
    return line;
}

static void add_public(struct blob *blob, EVP_PKEY *key)
{
    unsigned char half[HALF];
    size_t half_len = sizeof(half);
    BIGNUM *e = NULL, *n = NULL;

    if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
        EVP_PKEY_get_raw_public_key(key, half, &half_len) == 1) {
        add_text(blob, ED25519, strlen(ED25519));
        add_text(blob, half, half_len);
    } else if (EVP_PKEY_get_id(key) == EVP_PKEY_RSA &&
               EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
               EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1) {
        add_text(blob, "ssh-rsa", 7);
        add_number(blob, e);
        add_number(blob, n);
    }
    BN_free(e);
    BN_free(n);
}

/* There is nobody to ask for one. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void) buf;
    (void) size;
    (void) writing;
    *(bool *) asked = true;
    return -1;
}

static EVP_PKEY *read_pem(const char *text, bool *ret_locked)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, ret_locked) : NULL;

    BIO_free(bio);
    return key;
}

EVP_PKEY *flt_key_read_pem(const char *text)
{
    bool locked = false;

    return read_pem(text, &locked);
}

EVP_PKEY *flt_key_read(const char *text, const char **ret_why)
{
    struct flt_openssh_key parts;
    bool locked = false;
    EVP_PKEY *key = NULL;

    if (!strstr(text, FLT_OPENSSH_BEGIN)) {
        key = read_pem(text, &locked);
    } else {
        if (flt_openssh_open(text, &parts) == 0) {
            key = flt_openssh_private(&parts);
            locked = parts.locked;
        }
        flt_openssh_done(&parts);
    }
    if (!key)
        *ret_why = locked ? "the key has a passphrase, and nobody is there to type it (ssh-keygen "
                            "-p -N '' -f FILE takes it off)"
                          : "the key is no RSA or Ed25519 key in PEM or OpenSSH form";
    return key;
}

char *flt_key_public_line(const char *text)
{
    struct blob blob = { .len = 0 };
    EVP_PKEY *key;

    if (strstr(text, FLT_OPENSSH_BEGIN))
        return line_of_openssh(text);
    key = flt_key_read_pem(text);
    if (key)
        add_public(&blob, key);
    EVP_PKEY_free(key);
    return line_of(blob.data, blob.len);
}

/* A new key's private half in OpenSSH's own form; the kinds of PEM are not read by every library. */
static void fill_private(struct blob *ret, const struct blob *public, const unsigned char *seed,
                         const unsigned char *half, uint32_t check)
{
    struct blob inner = { .len = 0 };
    unsigned char both[2 * HALF];

    memcpy(both, seed, HALF);
    memcpy(both + HALF, half, HALF);
    add_u32(&inner, check);
    add_u32(&inner, check);
    add_text(&inner, ED25519, strlen(ED25519));
    add_text(&inner, half, HALF);
    add_text(&inner, both, sizeof(both));
    add_text(&inner, "", 0);
    for (unsigned char pad = 1; inner.len % 8 != 0; pad++)
        add_bytes(&inner, &pad, 1);
    add_bytes(ret, FLT_OPENSSH_MAGIC, sizeof(FLT_OPENSSH_MAGIC));
    add_text(ret, "none", 4);
    add_text(ret, "none", 4);
    add_text(ret, "", 0);
    add_u32(ret, 1);
    add_text(ret, public->data, public->len);
    add_text(ret, inner.data, inner.len);
    explicit_bzero(both, sizeof(both));
    explicit_bzero(&inner, sizeof(inner));
}

static char *armour(const struct blob *blob)
{
    unsigned char plain[(BLOB_MAX + 2) / 3 * 4 + 1];
    size_t len = (size_t) EVP_EncodeBlock(plain, blob->data, (int) blob->len);
    size_t size = len + len / LINE + 2 + sizeof(FLT_OPENSSH_BEGIN) + sizeof(FLT_OPENSSH_END) + 2,
           at = 0;
    char *text = malloc(size);

    if (text) {
        at += (size_t) snprintf(text, size, FLT_OPENSSH_BEGIN "\n");
        for (size_t i = 0; i < len; i += LINE)
            at += (size_t) snprintf(text + at, size - at, "%.*s\n", LINE, (char *) plain + i);
        (void) snprintf(text + at, size - at, FLT_OPENSSH_END "\n");
    }
    explicit_bzero(plain, sizeof(plain));
    return text;
}

int flt_key_generate(char **ret_private, char **ret_public)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct blob public = { .len = 0 }, private = { .len = 0 };
    unsigned char seed[HALF], half[HALF];
    size_t seed_len = HALF, half_len = HALF;
    uint32_t check = 0;

    *ret_private = *ret_public = NULL;
    if (key && EVP_PKEY_get_raw_private_key(key, seed, &seed_len) == 1 &&
        EVP_PKEY_get_raw_public_key(key, half, &half_len) == 1 &&
        RAND_bytes((unsigned char *) &check, sizeof(check)) == 1) {
        add_public(&public, key);
        fill_private(&private, &public, seed, half, check);
        *ret_private = armour(&private);
        *ret_public = line_of(public.data, public.len);
    }
    EVP_PKEY_free(key);
    explicit_bzero(seed, sizeof(seed));
    explicit_bzero(&private, sizeof(private));
    if (*ret_private && *ret_public)
        return 0;
    flt_wipe(*ret_private);
    free(*ret_public);
    *ret_private = *ret_public = NULL;
    return -1;
}
