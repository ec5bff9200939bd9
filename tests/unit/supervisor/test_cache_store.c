/* tests/unit/supervisor/test_cache_store.c - mirrors core/supervisor/cache_store.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/cache_store.h"
#include "tests/harness/harness.h"

#define LONG                                                                                       \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaa"

static void test_objects_lie_below_their_project(void **unused)
{
    static const struct {
        const char *why, *path;
        bool shared;
        const char *name, *want; /* NULL = refused */
    } rows[] = {
        { "of one runner", NULL, false, "main/k", "runner/t1_abcdef/project/42/main/k" },
        { "of all runners", "", true, "main/k", "project/42/main/k" },
        { "below a path", "a/b", false, "k", "a/b/runner/t1_abcdef/project/42/k" },
        { "a path that is written otherwise", "//a/./b/../c/", true, "k", "a/c/project/42/k" },
        { "a path that is none", "..", true, "k", "project/42/k" },
        { "a hash", NULL, true, "ab/abcd", "project/42/ab/abcd" },
        { "another project's", NULL, true, "../43/k", NULL },
        { "hardening_19: two steps up", NULL, true, "k/../../9/other", NULL },
        { "hardening_19: encoded", NULL, true, "k%2f..%2f9", NULL },
        { "hardening_19: backslashes", NULL, true, "k\\..\\9", NULL },
        { "hardening_19: space at the end", NULL, true, "main-protected /", NULL },
        { "a leading slash", NULL, true, "/k", NULL },
        { "nothing", NULL, true, "", NULL },
        { "longer than stores take", NULL, true,
          LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG "a", NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct config_cache settings = { .type = (char[]) { "s3" },
                                               .path = (char *) (uintptr_t) rows[i].path,
                                               .shared = rows[i].shared };
        const struct cache_object object = { .short_token = "t1_abcdef",
                                             .project_id = 42,
                                             .name = rows[i].name };
        struct cache_store *store = cache_store_open(&settings);
        autofree char *name = NULL;
        struct error err = { 0 };
        int r = cache_store_object_name(store, &object, &name, &err);

        if (r != (rows[i].want ? 0 : -EINVAL) || (rows[i].want && !str_eq(name, rows[i].want)) ||
            (!rows[i].want && !str_eq(err.message, "that is no name of a cache archive")))
            fail_msg("%s: %d '%s' %s", rows[i].why, r, name ? name : "", err.message);
        cache_store_close(store);
    }
}

/* Made by the manager for a worker that names `name` and `method`. */
static int sign(const struct config_cache *settings, const char *name, const char *method,
                struct error *err)
{
    const struct cache_object object = { .short_token = "t", .project_id = 1, .name = name };
    struct cache_store *store = settings ? cache_store_open(settings) : NULL;
    struct flt_signed_url url;
    int r = cache_store_sign(store, &object, method, 1795660000, 60, &url, err);

    assert_int_equal(url.url != NULL, r == 0);
    flt_signed_url_done(&url);
    cache_store_close(store);
    return r;
}

static void test_only_what_caches_need_is_signed(void **unused)
{
    const struct config_cache none = { 0 };
    auto_ptr(secret_free) struct secret *key = secret_from_str("a2V5");
    const struct config_cache azure = {
        .type = (char[]) { "azure" },
        .azure = { .account = (char[]) { "a" }, .container = (char[]) { "c" }, .key = key }
    };
    static const char *const refused[] = { "DELETE", "POST", "get", "", "GET " };
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(sign(NULL, "k", "GET", &err), -ENOENT);
    assert_int_equal(sign(&none, "k", "GET", &err), -ENOENT);
    assert_int_equal(sign(&azure, "k", "GET", &err), 0);
    assert_int_equal(sign(&azure, "k", "HEAD", &err), 0);
    assert_int_equal(sign(&azure, "k", "PUT", &err), 0);
    assert_int_equal(sign(&azure, "../k", "PUT", &err), -EINVAL);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (sign(&azure, "k", refused[i], &err) != -EINVAL)
            fail_msg("'%s' is signed", refused[i]);
}

static void test_a_store_that_cannot_be_used_says_why(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "key.json");
    const struct config_cache half = { .type = (char[]) { "s3" } };
    const struct config_cache google = {
        .type = (char[]) { "gcs" }, .gcs = { .bucket = (char[]) { "b" }, .credentials_file = file }
    };
    static const char *const contents[] = { NULL, "no JSON", "{}", "{\"client_email\":\"a\"}" };
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(sign(&half, "k", "GET", &err), -ENOKEY);
    assert_string_equal(err.message, "[runners.cache.s3] has no 'BucketName': caches stay on the "
                                     "instances until it has one");
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        if (contents[i])
            harness_write(dir, "key.json", contents[i]);
        assert_int_equal(sign(&google, "k", "GET", &err), -ENOKEY);
        assert_true(str_starts(err.message, "[runners.cache.gcs] 'CredentialsFile': "));
    }
    harness_write(dir, "key.json", "{\"client_email\":\"a\",\"private_key\":\"no key\"}");
    assert_int_equal(sign(&google, "k", "GET", &err), -EINVAL);
    assert_true(str_starts(err.message, "the cache store's key cannot be used"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_lie_below_their_project),
        cmocka_unit_test(test_only_what_caches_need_is_signed),
        cmocka_unit_test(test_a_store_that_cannot_be_used_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
