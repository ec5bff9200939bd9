/* core/job/connect/ssh_libssh2_rsa.c - see the header. */
#include "core/job/connect/ssh_libssh2_rsa.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_key.h"
#include "core/job/connect/ssh_libssh2.h"

static EVP_PKEY *read_pem(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    char none[] = ""; /* asks nobody for a passphrase */
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;

    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

/* Modulus, public and private exponent: all that a signature needs. */
static EVP_PKEY *make_key(const struct ssh_wire numbers[3])
{
    static const char *const names[] = { OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
                                         OSSL_PKEY_PARAM_RSA_D };
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *values[ARRAY_LEN(names)] = { 0 };
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    bool ok = builder && context;

    for (size_t i = 0; ok && i < ARRAY_LEN(names); i++) {
        values[i] = numbers[i].left < INT_MAX
                        ? BN_bin2bn(numbers[i].at, (int) numbers[i].left, NULL)
                        : NULL;
        ok = values[i] && OSSL_PARAM_BLD_push_BN(builder, names[i], values[i]) == 1;
    }
    params = ok ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    if (params && EVP_PKEY_fromdata_init(context) == 1)
        (void) EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params);
    OSSL_PARAM_free(params);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        BN_clear_free(values[i]);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *read_openssh(const char *text)
{
    autobuf struct buf decoded = BUF_SECRET;
    struct ssh_wire public, private, type, numbers[3];
    uint32_t check[2];

    if (!ssh_key_open(text, &decoded, &public, &private) || !ssh_wire_u32(&private, &check[0]) ||
        !ssh_wire_u32(&private, &check[1]) || !ssh_wire_string(&private, &type) ||
        !ssh_wire_is(&type, "ssh-rsa"))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (!ssh_wire_string(&private, &numbers[i]))
            return NULL;
    return make_key(numbers);
}

static void add_string(struct buf *out, const void *data, size_t len)
{
    const unsigned char size[4] = { (unsigned char) (len >> 24), (unsigned char) (len >> 16),
                                    (unsigned char) (len >> 8), (unsigned char) len };

    buf_add(out, size, sizeof(size));
    buf_add(out, data, len);
}

/* A positive number: one whose first bit is set has a zero in front. */
static void add_number(struct buf *out, const EVP_PKEY *key, const char *name)
{
    BIGNUM *number = NULL;
    unsigned char bytes[2049] = { 0 };
    int len = 0;

    if (EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_num_bytes(number) < 2049)
        len = BN_bn2bin(number, bytes + 1);
    if (len <= 0)
        out->error = -EINVAL;
    else if (bytes[1] & 0x80)
        add_string(out, bytes, (size_t) len + 1);
    else
        add_string(out, bytes + 1, (size_t) len);
    BN_free(number);
}

int ssh_rsa_load(struct ssh_rsa *rsa, const char *text, struct error *err)
{
    static const char algorithm[] = "rsa-sha2-512";

    *rsa = (struct ssh_rsa) { .key = read_openssh(text) };
    if (!rsa->key)
        rsa->key = read_pem(text);
    if (!rsa->key)
        return 0;
    add_string(&rsa->blob, algorithm, strlen(algorithm));
    add_number(&rsa->blob, rsa->key, OSSL_PKEY_PARAM_RSA_E);
    add_number(&rsa->blob, rsa->key, OSSL_PKEY_PARAM_RSA_N);
    return buf_error(&rsa->blob) < 0 ? ssh_key_unreadable(err) : 0;
}

void ssh_rsa_done(struct ssh_rsa *rsa)
{
    EVP_PKEY_free(rsa->key);
    buf_done(&rsa->blob);
    rsa->key = NULL;
}

LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(ssh_rsa_sign)
{
    EVP_PKEY *key = *abstract;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = (size_t) EVP_PKEY_get_size(key);
    autofree unsigned char *signature = mem_alloc(len);
    bool ok = context && signature &&
              EVP_DigestSignInit(context, NULL, EVP_sha512(), NULL, key) == 1 &&
              EVP_DigestSign(context, signature, &len, data, data_len) == 1;

    (void) session;
    EVP_MD_CTX_free(context);
    *sig = ok ? ssh_packets_dup(signature, len) : NULL;
    *sig_len = *sig ? len : 0;
    return *sig ? 0 : -1;
}
