/* tests/unit/job/test_cache_settings.c - mirrors core/job/cache_settings.c: which archives a cache entry
 * names, and what of it is refused (job-execution.md 5.1, 5.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/cache_settings.h"
#include "tests/harness/harness.h"
#include "tests/unit/job/start.h"

#define HEX_K "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a"

/* With a log, for what is wrong with keys. */
static struct job cache_job(const char *variables, int *ret_log)
{
    autofree char *payload =
        mem_printf("{\"variables\":[%s],\"cache\":[{}],\"job_info\":{\"name\":\"n\"}}", variables);
    struct job job = start_job(payload, "{\"cache_dir\":\"/c\",\"builds_dir\":\"/b\"}");

    *ret_log = memfd_create("log", MFD_CLOEXEC);
    assert_true(*ret_log >= 0);
    assert_int_equal(job_open_trace(&job, *ret_log, NULL), 0);
    return job;
}

static void assert_log(struct job *job, int log, const char *want)
{
    autobuf struct buf text = BUF_INIT;
    autoclose int fd = log;
    char chunk[4096];
    ssize_t n;

    assert_int_equal(trace_flush(job->trace), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(&text, chunk, (size_t) n);
    if (want ? !strstr(buf_str(&text), want) : text.len > 0)
        fail_msg("the log is \"%s\", not \"%s\"", buf_str(&text), want ? want : "");
}

#define HASHED "{\"key\":\"FF_HASH_CACHE_KEYS\",\"value\":\"true\"}"
#define KEY(text) "{\"key\":\"" text "\"}"

static void test_names_of_one_key(void **unused)
{
    static const struct {
        const char *variables, *entry, *key, *name, *other_name, *file, *other_file, *said;
    } cases[] = {
        { "", KEY("k"), "k", "k", "82/" HEX_K, "/c/g/p/k/cache.zip", "/c/g/p/" HEX_K "/cache.zip",
          NULL },
        { HASHED, KEY("k"), "k", "82/" HEX_K, "k", "/c/g/p/" HEX_K "/cache.zip",
          "/c/g/p/k/cache.zip", NULL },
        { "", "{}", "n/main", "n/main", NULL, "/c/g/p/n/main/cache.zip", NULL, NULL },
        { "{\"key\":\"X\",\"value\":\"k\"}", KEY("$X"), "k", "k", "82/" HEX_K, "/c/g/p/k/cache.zip",
          NULL, NULL },
        /* hardening_19 */
        { "", KEY("k/../../9/other"), "9/other", "9/other", NULL, "/c/g/p/9/other/cache.zip", NULL,
          "cache key \"k/../../9/other\" sanitized to \"9/other\"" },
        { "", KEY("k%2f..%2F9\\\\x\\u0007 "), "9/x\a", "9/x\a", NULL, "/c/g/p/9/x\a/cache.zip",
          NULL, "cache key \"k%2f..%2F9\\\\x\\a \" sanitized to \"9/x\\a\"" },
        /* Nothing is readable of it, so there is no other name. */
        { HASHED, KEY(".."), "..", NULL, NULL, NULL, NULL, NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int log;
        autojob struct job job = cache_job(cases[i].variables, &log);
        autojson json_t *entry = start_parse(cases[i].entry);
        struct cache_archive archive;

        assert_int_equal(cache_own_archive(&job, entry, &archive), 0);
        assert_string_equal(archive.key, cases[i].key);
        if (cases[i].name) {
            assert_string_equal(archive.name, cases[i].name);
            assert_string_equal(archive.file, cases[i].file);
        } else {
            assert_null(archive.other_name);
            assert_null(archive.other_file);
        }
        if (cases[i].other_name)
            assert_string_equal(archive.other_name, cases[i].other_name);
        if (cases[i].other_file)
            assert_string_equal(archive.other_file, cases[i].other_file);
        cache_archive_done(&archive);
        assert_log(&job, log, cases[i].said);
    }
}

static void test_a_key_of_which_nothing_is_left(void **unused)
{
    static const char *const keys[] = { KEY(".."), KEY("/"), KEY("%2e%2E/"), KEY(" ") };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        int log;
        autojob struct job job = cache_job("", &log);
        autojson json_t *entry = start_parse(keys[i]);
        struct cache_archive archive;

        assert_int_equal(cache_own_archive(&job, entry, &archive), -EINVAL);
        assert_log(&job, log, " could not be sanitized");
    }
}

#define FALLBACK(text) "{\"key\":\"CACHE_FALLBACK_KEY\",\"value\":\"" text "\"}"

/* hardening.md V10: what is reserved is looked for in the canonical form. */
static void test_fallback_keys(void **unused)
{
    static const struct {
        const char *variables, *entry, *want, *said;
    } cases[] = {
        { FALLBACK("main"), "{\"key\":\"k\",\"fallback_keys\":[\"a\",\"..\",\"b\",\"\"]}",
          "k a b main", "cache key \"..\" could not be sanitized" },
        { FALLBACK("main-protected"), KEY("k"), "k",
          "CACHE_FALLBACK_KEY \"main-protected\" not allowed to end in \"-protected\"" },
        { FALLBACK("x/main-protected. /"), KEY("k"), "k", "not allowed to end in" },
        { FALLBACK("main-protected%2f%2e"), KEY("k"), "k", "not allowed to end in" },
        { HASHED "," FALLBACK("main-protected"), KEY("k"), "k", "not allowed to end in" },
        { FALLBACK("main-protected-not"), KEY("k"), "k main-protected-not", NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int log;
        autojob struct job job = cache_job(cases[i].variables, &log);
        autojson json_t *entry = start_parse(cases[i].entry);
        autobuf struct buf got = BUF_INIT;
        struct cache_archives archives;

        assert_int_equal(cache_all_archives(&job, entry, &archives), 0);
        for (size_t k = 0; k < archives.n; k++)
            buf_addf(&got, "%s%s", k > 0 ? " " : "", archives.items[k].key);
        assert_string_equal(buf_str(&got), cases[i].want);
        cache_archives_done(&archives);
        assert_log(&job, log, cases[i].said);
    }
}

static void test_policies(void **unused)
{
    static const struct {
        const char *entry;
        int r;
        enum cache_policy policy;
    } cases[] = {
        { "{}", 0, CACHE_PULL_PUSH },
        { "{\"policy\":\"pull-push\"}", 0, CACHE_PULL_PUSH },
        { "{\"policy\":\"pull\"}", 0, CACHE_PULL },
        { "{\"policy\":\"$P\"}", 0, CACHE_PUSH },
        { "{\"policy\":\"Pull\"}", -EINVAL, CACHE_PULL_PUSH },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int log;
        autojob struct job job = cache_job("{\"key\":\"P\",\"value\":\"push\"}", &log);
        autojson json_t *entry = start_parse(cases[i].entry);
        enum cache_policy policy = CACHE_PULL_PUSH;
        struct error err = { 0 };

        assert_int_equal(cache_policy_of(&job, entry, "k", &policy, &err), cases[i].r);
        assert_int_equal(policy, cases[i].policy);
        if (cases[i].r < 0)
            assert_string_equal(err.message, "unknown cache policy Pull for k");
        (void) close(log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_one_key),
        cmocka_unit_test(test_a_key_of_which_nothing_is_left),
        cmocka_unit_test(test_fallback_keys),
        cmocka_unit_test(test_policies),
    };

    return cmocka_run_group_tests_name("job-cache-settings", tests, NULL, NULL);
}
