/* core/job/connect/ssh_key.c - see the header. */
#include "core/job/connect/ssh_key.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/secret.h"
#include "core/base/str.h"

#define COLUMNS 70

static const char openssh_begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char openssh_end[] = "-----END OPENSSH PRIVATE KEY-----";

int ssh_key_unreadable(struct error *err)
{
    return error_set(err, -EINVAL,
                     "the private key cannot be read; it must be an RSA, ECDSA or Ed25519 key in "
                     "OpenSSH or PEM form without passphrase");
}

static int has_passphrase(struct error *err)
{
    return error_set(err, -EINVAL, "the private key has a passphrase; give one without");
}

static bool decode_base64(const char *text, size_t len, struct buf *out)
{
    EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
    int n = 0, rest = 0;
    bool ok = decoder && len < INT_MAX && buf_reserve(out, len + 1) == 0;

    if (ok) {
        unsigned char *to = (unsigned char *) out->data;

        EVP_DecodeInit(decoder);
        ok = EVP_DecodeUpdate(decoder, to, &n, (const unsigned char *) text, (int) len) >= 0 &&
             EVP_DecodeFinal(decoder, to + n, &rest) == 1;
        out->len = ok ? (size_t) (n + rest) : 0;
    }
    EVP_ENCODE_CTX_free(decoder);
    return ok;
}

/* The base64 between two marks, in lines of its own. */
static void fold(const char *begin, const char *end, struct buf *out)
{
    size_t column = 0;

    buf_addf(out, "%s\n", openssh_begin);
    for (const char *at = begin; at < end; at++) {
        if (strchr(" \t\r\n", *at))
            continue;
        buf_add_char(out, *at);
        if (++column % COLUMNS == 0)
            buf_add_char(out, '\n');
    }
    buf_addf(out, "\n%s\n", openssh_end);
}

static EVP_PKEY *read_pem(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    char none[] = ""; /* asks nobody for a passphrase */
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;

    BIO_free(bio);
    return key;
}

#define ED25519_BYTES 32

/* A key in OpenSSH form is its public part, and behind two equal numbers the public part again, the private one with
 * the public one behind it, no comment, and 1, 2, 3... up to a multiple of 8. */
static void write_ed25519(const unsigned char private[ED25519_BYTES],
                          const unsigned char public[ED25519_BYTES], struct buf *out)
{
    static const char before[] = "openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1"
                                 "\0\0\0\063\0\0\0\013ssh-ed25519\0\0\0\040";
    static const char between[] = "\0\0\0\210\0\0\0\0\0\0\0\0\0\0\0\013ssh-ed25519\0\0\0\040";
    static const char twice[] = "\0\0\0\100", behind[] = "\0\0\0\0\1\2\3\4\5";
    autobuf struct buf key = BUF_SECRET, text = BUF_SECRET;

    buf_add(&key, before, sizeof(before) - 1);
    buf_add(&key, public, ED25519_BYTES);
    buf_add(&key, between, sizeof(between) - 1);
    buf_add(&key, public, ED25519_BYTES);
    buf_add(&key, twice, sizeof(twice) - 1);
    buf_add(&key, private, ED25519_BYTES);
    buf_add(&key, public, ED25519_BYTES);
    buf_add(&key, behind, sizeof(behind) - 1);
    if (buf_error(&key) < 0 || buf_reserve(&text, key.len * 2) < 0) {
        buf_inherit_error(out, &key);
        return;
    }
    text.len = (size_t) EVP_EncodeBlock((unsigned char *) text.data,
                                        (const unsigned char *) key.data, (int) key.len);
    fold(text.data, text.data + text.len, out);
}

static bool convert_ed25519(const char *text, struct buf *out)
{
    unsigned char private[ED25519_BYTES], public[ED25519_BYTES];
    size_t private_len = sizeof(private), public_len = sizeof(public);
    EVP_PKEY *key = read_pem(text);
    bool ok = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
              EVP_PKEY_get_raw_private_key(key, private, &private_len) == 1 &&
              EVP_PKEY_get_raw_public_key(key, public, &public_len) == 1;

    EVP_PKEY_free(key);
    if (ok)
        write_ed25519(private, public, out);
    secret_wipe(private, sizeof(private));
    return ok;
}

void ssh_key_normalize(const char *text, struct buf *out)
{
    const char *begin = strstr(text, openssh_begin), *end = strstr(text, openssh_end);

    if (begin && end && begin < end)
        fold(begin + sizeof(openssh_begin) - 1, end, out);
    else if (!convert_ed25519(text, out))
        buf_add_str(out, text);
}

/* What is around the two parts: how they are encrypted, if they are. */
struct container {
    struct ssh_wire cipher, public, private;
};

static bool decode_openssh(const char *text, struct buf *decoded, struct container *ret)
{
    static const char magic[] = "openssh-key-v1"; /* with its NUL */
    const char *begin = strstr(text, openssh_begin), *end = strstr(text, openssh_end);
    struct ssh_wire wire, skipped;
    uint32_t keys = 0;

    if (!begin || !end)
        return false;
    begin += sizeof(openssh_begin) - 1;
    decoded->secret = true;
    if (end < begin || !decode_base64(begin, (size_t) (end - begin), decoded))
        return false;
    wire = (struct ssh_wire) { (const unsigned char *) decoded->data, decoded->len };
    if (wire.left < sizeof(magic) || memcmp(wire.at, magic, sizeof(magic)) != 0)
        return false;
    wire.at += sizeof(magic);
    wire.left -= sizeof(magic);
    return ssh_wire_string(&wire, &ret->cipher) && ssh_wire_string(&wire, &skipped) &&
           ssh_wire_string(&wire, &skipped) && ssh_wire_u32(&wire, &keys) && keys == 1 &&
           ssh_wire_string(&wire, &ret->public) && ssh_wire_string(&wire, &ret->private);
}

bool ssh_key_open(const char *text, struct buf *decoded, struct ssh_wire *ret_public,
                  struct ssh_wire *ret_private)
{
    struct container container;

    if (!decode_openssh(text, decoded, &container) || !ssh_wire_is(&container.cipher, "none"))
        return false;
    *ret_public = container.public;
    *ret_private = container.private;
    return true;
}

static int check_openssh(const char *text, struct error *err)
{
    static const char *const types[] = { "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256",
                                         "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521" };
    autobuf struct buf decoded = BUF_SECRET;
    struct container container;
    struct ssh_wire type;

    if (!decode_openssh(text, &decoded, &container) || !ssh_wire_string(&container.public, &type))
        return ssh_key_unreadable(err);
    if (!ssh_wire_is(&container.cipher, "none"))
        return has_passphrase(err);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (ssh_wire_is(&type, types[i]))
            return 0;
    return ssh_key_unreadable(err);
}

static int check_pem(const char *text, struct error *err)
{
    EVP_PKEY *key = read_pem(text);
    int type = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    EVP_PKEY_free(key);
    if (type == EVP_PKEY_RSA || type == EVP_PKEY_EC || type == EVP_PKEY_ED25519)
        return 0;
    return ssh_key_unreadable(err);
}

int ssh_key_check(const char *text, struct error *err)
{
    if (strstr(text, openssh_begin))
        return check_openssh(text, err);
    /* "BEGIN ENCRYPTED PRIVATE KEY" and "Proc-Type: 4,ENCRYPTED" */
    return strstr(text, "ENCRYPTED") ? has_passphrase(err) : check_pem(text, err);
}
