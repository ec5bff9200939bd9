/* tests/unit/helper/test_store.c - mirrors helper/http/store.c and azure.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "helper/http/store.h"

static struct env_file azure_file(void)
{
    static char account[] = "AZURE_STORAGE_ACCOUNT=acct",
                token[] = "AZURE_STORAGE_SAS_TOKEN=?sv=1&sig=a%2Bb";
    static char *lines[] = { account, token };

    return (struct env_file) { .lines = lines, .n = ARRAY_LEN(lines) };
}

static void test_an_object_of_azure(void **unused)
{
    static const struct {
        const char *url, *want; /* NULL: refused */
    } cases[] = {
        { "azblob://c/project/1/key",
          "https://acct.blob.core.windows.net/c/project/1/key?sv=1&sig=a%2Bb" },
        { "azblob://c/a b?/#", "https://acct.blob.core.windows.net/c/a%20b%3F/%23?sv=1&sig=a%2Bb" },
        { "azblob://c/", NULL },
        { "azblob://c", NULL },
        { "azblob:///x", NULL },
    };
    struct env_file environment = azure_file();

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *url = NULL;
        struct error err = { 0 };
        int r = azure_url(cases[i].url, &environment, &url, &err);

        if ((r == 0) != (cases[i].want != NULL) || (r == 0 && !str_eq(url, cases[i].want)))
            fail_msg("%s: %d %s", cases[i].url, r, url ? url : err.message);
        free(url);
    }
}

static void test_azure_needs_its_credentials(void **unused)
{
    struct env_file environment = azure_file();
    char *url = NULL;
    struct error err = { 0 };

    (void) unused;
    environment.n = 1;
    assert_int_equal(azure_url("azblob://c/o", &environment, &url, &err), -EINVAL);
    assert_non_null(strstr(err.message, "AZURE_STORAGE_SAS_TOKEN"));
    environment.lines++;
    assert_int_equal(azure_url("azblob://c/o", &environment, &url, &err), -EINVAL);
    assert_non_null(strstr(err.message, "AZURE_STORAGE_ACCOUNT"));
    /* Nothing that would make another host of it. */
    assert_int_equal(setenv("AZURE_STORAGE_ACCOUNT", "evil.example/", 1), 0);
    assert_int_equal(azure_url("azblob://c/o", &environment, &url, &err), -EINVAL);
    assert_int_equal(unsetenv("AZURE_STORAGE_ACCOUNT"), 0);
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
        cmocka_unit_test(test_hardening_S4_what_a_log_shows_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
