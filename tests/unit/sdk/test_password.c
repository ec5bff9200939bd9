/* tests/unit/sdk/test_password.c - mirrors sdk/lib/password.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "sdk/lib/password.h"
#include "sdk/lib/wipe.h"

static EVP_PKEY *key, *other, *curve;

static void encrypt(int padding, const char *text, size_t len, char ret[1024])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    unsigned char out[512];
    size_t out_len = sizeof(out);

    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
    assert_int_equal(EVP_PKEY_encrypt(ctx, out, &out_len, (const unsigned char *) text, len), 1);
    (void) EVP_EncodeBlock((unsigned char *) ret, out, (int) out_len);
    EVP_PKEY_CTX_free(ctx);
}

static void test_a_text_is_read_with_its_key_and_padding(void **state)
{
    static const struct {
        const char *why, *text, *want;
        int made_with, read_with;
        EVP_PKEY **by;
    } rows[] = {
        { "PKCS#1", "Pa$$ w0rd", "Pa$$ w0rd", RSA_PKCS1_PADDING, RSA_PKCS1_PADDING, &key },
        { "OAEP", "Pa$$ w0rd", "Pa$$ w0rd", RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_OAEP_PADDING, &key },
        { "the other padding", "x", NULL, RSA_PKCS1_PADDING, RSA_PKCS1_OAEP_PADDING, &key },
        { "another key", "x", NULL, RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_OAEP_PADDING, &other },
        { "no RSA key", "x", NULL, RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_OAEP_PADDING, &curve },
        { "nothing", "", NULL, RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_OAEP_PADDING, &key },
        { "no text", "a\nb", NULL, RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_OAEP_PADDING, &key },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FLT_WIPED char *text = NULL;
        char data[1024];

        encrypt(rows[i].made_with, rows[i].text, strlen(rows[i].text), data);
        text = flt_password_decrypt(*rows[i].by, rows[i].read_with, data);
        if (rows[i].want ? !text || strcmp(text, rows[i].want) != 0 : text != NULL)
            fail_msg("%s: %s", rows[i].why, text ? text : "nothing");
    }
    assert_null(flt_password_decrypt(key, RSA_PKCS1_OAEP_PADDING, "no base64!"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_read_with_its_key_and_padding),
    };
    int r;

    key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
    other = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
    curve = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    r = cmocka_run_group_tests(tests, NULL, NULL);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(curve);
    return r;
}
