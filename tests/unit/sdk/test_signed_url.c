/* tests/unit/sdk/test_signed_url.c - mirrors sdk/lib: the example of Amazon's documentation, keys that are none, and
 * limits. tests/integration/test_signed_urls.py compares with the stores' own libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/signed_url.h"

static const struct flt_object object = {
    .method = "GET", .name = "test.txt", .now_s = 1369353600, .lifetime_s = 86400
};

static const struct flt_s3 amazon = {
    .server = "s3.amazonaws.com:443",
    .bucket = "examplebucket",
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    .path_style = 0,
};

/* "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference. */
static void test_the_documented_example_is_signed_alike(void **unused)
{
    struct flt_signed_url url;

    (void) unused;
    assert_int_equal(flt_s3_sign(&amazon, &object, &url), 0);
    assert_string_equal(
        url.url,
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
        "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&"
        "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
        "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    assert_int_equal(url.n_headers, 0);
    flt_signed_url_done(&url);
    assert_null(url.url);
}

static void test_no_url_lives_longer_than_a_week(void **unused)
{
    static const struct {
        int64_t lifetime_s;
        const char *want;
    } rows[] = {
        { 604800, "Expires=604800&" },
        { INT64_MAX, "Expires=604800&" },
        { 1, "Expires=1&" },
        { -5, "Expires=1&" },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_object limited = object;
        struct flt_signed_url url;

        limited.lifetime_s = rows[i].lifetime_s;
        assert_int_equal(flt_s3_sign(&amazon, &limited, &url), 0);
        if (!strstr(url.url, rows[i].want))
            fail_msg("row %zu: %s", i, url.url);
        flt_signed_url_done(&url);
    }
}

/* A key in PEM form, perhaps under a passphrase; the caller frees. */
static char *make_pem(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL, *pem;
    long len;

    assert_non_null(key);
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "x" : NULL,
                                                   cipher ? 1 : 0, NULL, NULL),
                     1);
    len = BIO_get_mem_data(bio, &data);
    pem = strndup(data, (size_t) len);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return pem;
}

static int sign_by(const char *pem)
{
    const struct flt_gcs store = { .bucket = "b", .account = "a", .private_key = pem };
    struct flt_signed_url url;
    int r = flt_gcs_sign(&store, &object, &url);

    assert_int_equal(url.url != NULL, r == 0);
    flt_signed_url_done(&url);
    return r;
}

/* Not RSA, and under a passphrase, for which nobody is asked. */
static void test_only_open_rsa_keys_sign_for_google(void **unused)
{
    char *right = make_pem(EVP_RSA_gen(2048), NULL);
    char *locked = make_pem(EVP_RSA_gen(2048), EVP_aes_128_cbc());
    char *other = make_pem(EVP_EC_gen("P-256"), NULL);

    (void) unused;
    assert_int_equal(sign_by(right), 0);
    assert_int_equal(sign_by(locked), -EINVAL);
    assert_int_equal(sign_by(other), -EINVAL);
    assert_int_equal(sign_by("no key"), -EINVAL);
    assert_int_equal(sign_by(""), -EINVAL);
    free(right);
    free(locked);
    free(other);
}

static void test_keys_that_are_none_are_refused(void **unused)
{
    static const char *const base64[] = { "", "a", "abc", "a*b=", "=", "====x" };
    struct flt_signed_url url;
    char long_secret[400];

    (void) unused;
    for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++) {
        const struct flt_azure store = { .account = "a", .container = "c", .key = base64[i] };

        if (flt_azure_sign(&store, &object, &url) != -EINVAL || url.url)
            fail_msg("'%s' is taken", base64[i]);
    }
    memset(long_secret, 'x', sizeof(long_secret));
    long_secret[sizeof(long_secret) - 1] = '\0';
    {
        struct flt_s3 store = amazon;

        store.secret_key = long_secret;
        assert_int_equal(flt_s3_sign(&store, &object, &url), -EINVAL);
        assert_null(url.url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_documented_example_is_signed_alike),
        cmocka_unit_test(test_no_url_lives_longer_than_a_week),
        cmocka_unit_test(test_only_open_rsa_keys_sign_for_google),
        cmocka_unit_test(test_keys_that_are_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
