/* tests/unit/helper/test_store.c - mirrors helper/http/store.c, gocloud.c, azure.c and s3.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/http/store.h"

static struct env_file azure_file(void)
{
    static char account[] = "AZURE_STORAGE_ACCOUNT=acct",
                token[] = "AZURE_STORAGE_SAS_TOKEN=?sv=1&sig=a%2Bb";
    static char *lines[] = { account, token };

    return (struct env_file) { .lines = lines, .n = ARRAY_LEN(lines) };
}

/* The URL by which the object is asked for, or NULL with a sentence; the caller frees. */
static char *locate(const char *url, const struct env_file *environment, const char *method,
                    struct error *err)
{
    const struct cache_object object = { .gocloud_url = url, .environment = environment };
    auto_place struct store_place place;

    *err = (struct error) { 0 };
    return store_locate(&object, method, 0, &place, err) == 0 ? mem_strdup(place.url) : NULL;
}

static void test_an_object_of_azure(void **unused)
{
    static const struct {
        const char *url, *want; /* NULL: refused */
    } cases[] = {
        { "azblob://c/project/1/key",
          "https://acct.blob.core.windows.net/c/project/1/key?sv=1&sig=a%2Bb" },
        { "azblob://c/a%20b%3F/#?x=y",
          "https://acct.blob.core.windows.net/c/a%20b%3F/%23?sv=1&sig=a%2Bb" },
        { "azblob://c/", NULL },
        { "azblob://c", NULL },
        { "azblob:///x", NULL },
        { "azblob://c/a%00b", NULL },
        { "azblob:c/x", NULL },
        { "gs://c/x", NULL },
        { "a-scheme-that-has-no-end://c/x", NULL },
    };
    struct env_file environment = azure_file();

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        autofree char *url = locate(cases[i].url, &environment, "GET", &err);

        if ((url != NULL) != (cases[i].want != NULL) || (url && !str_eq(url, cases[i].want)) ||
            (!url && !*err.message))
            fail_msg("%s: %s", cases[i].url, url ? url : err.message);
    }
}

static void test_azure_needs_its_credentials(void **unused)
{
    struct env_file environment = azure_file();
    struct error err;

    (void) unused;
    environment.n = 1;
    assert_null(locate("azblob://c/o", &environment, "GET", &err));
    assert_non_null(strstr(err.message, "AZURE_STORAGE_SAS_TOKEN"));
    environment.lines++;
    assert_null(locate("azblob://c/o", &environment, "GET", &err));
    assert_non_null(strstr(err.message, "AZURE_STORAGE_ACCOUNT"));
    /* Nothing that would make another host of it. */
    assert_int_equal(setenv("AZURE_STORAGE_ACCOUNT", "evil.example/", 1), 0);
    assert_null(locate("azblob://c/o", &environment, "GET", &err));
    assert_int_equal(unsetenv("AZURE_STORAGE_ACCOUNT"), 0);
}

static void test_an_object_of_s3(void **unused)
{
    static const struct {
        const char *url, *want; /* how it begins */
    } cases[] = {
        { "s3://bucket/a%20b?awssdk=v2&region=eu-west-1",
          "https://bucket.s3.eu-west-1.amazonaws.com/a%20b?X-Amz-" },
        { "s3://bucket/k?region=eu-west-1&dualstack=true",
          "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/k?X-Amz-" },
        { "s3://bucket/k?accelerate=true", "https://bucket.s3-accelerate.amazonaws.com/k?X-Amz-" },
        { "s3://bucket/k?endpoint=http%3A%2F%2Fh%3A9000&use_path_style=true",
          "http://h:9000/bucket/k?X-Amz-" },
        { "s3://bucket/k?endpoint=h%3A9000&disable_https=true", "http://h:9000/bucket/k?X-Amz-" },
        { "s3://bucket/k?endpoint=h&s3ForcePathStyle=true", "https://h/bucket/k?X-Amz-" },
    };
    static char key[] = "AWS_ACCESS_KEY_ID=id", secret[] = "AWS_SECRET_ACCESS_KEY=s",
                token[] = "AWS_SESSION_TOKEN=session";
    static char *lines[] = { key, secret, token };
    struct env_file environment = { .lines = lines, .n = ARRAY_LEN(lines) };
    struct error err;

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *url = locate(cases[i].url, &environment, "GET", &err);

        if (!url || !str_starts(url, cases[i].want) || !strstr(url, "X-Amz-Security-Token=session"))
            fail_msg("%s: %s", cases[i].url, url ? url : err.message);
    }
    environment.n = 1;
    assert_null(locate("s3://bucket/k", &environment, "GET", &err));
    assert_non_null(strstr(err.message, "AWS_SECRET_ACCESS_KEY"));
}

static void test_hardening_S4_what_a_log_shows_of_a_url(void **unused)
{
    static const struct {
        const char *url, *want;
    } cases[] = {
        { "https://h/b/o?X-Amz-Signature=s#f", "https://h/b/o" },
        { "https://user:secret@h:8080/b", "https://h:8080/b" },
        { "https://h/a@b?c", "https://h/a@b" },
        { "https://h?u@x", "https://h" },
        { "azblob://c/o", "azblob://c/o" },
        { "nothing?x", "nothing" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *got = store_clean_url(cases[i].url);

        assert_string_equal(got, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_object_of_azure),
        cmocka_unit_test(test_azure_needs_its_credentials),
        cmocka_unit_test(test_an_object_of_s3),
        cmocka_unit_test(test_hardening_S4_what_a_log_shows_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
