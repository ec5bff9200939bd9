/* tests/unit/base/test_cache_key.c - mirrors core/base/cache_key.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/autoclean.h"
#include "core/base/cache_key.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

static void test_keys_have_one_form(void **unused)
{
    static const struct {
        const char *why, *key, *want; /* NULL = refused */
    } cases[] = {
        { "an ordinary key is itself", "main/deps-1", "main/deps-1" },
        { "case and inner space stay", "A b/C d", "A b/C d" },
        { "dots in names stay", "v1..2/...x", "v1..2/...x" },
        { "other codes stay", "a%20b%252fc", "a%20b%252fc" },
        { "job-execution 10.5 #25", "a\\..\\b/ ", "b" },
        { "job-execution 10.5 #26", "..", NULL },
        { "hardening_19: two steps up", "k/../../9/other", "9/other" },
        { "hardening_19: one dot", "k/./", "k" },
        { "hardening_19: encoded slashes", "k%2f..%2f9", "9" },
        { "hardening_19: backslashes", "k\\..\\9", "9" },
        { "hardening_19: the reserved suffix", "main-protected /", "main-protected" },
        { "the same behind another part", "a/main-protected / ", "a/main-protected" },
        { "encoded dots", "a/%2E%2e/b", "b" },
        { "a leading slash", "//a", "a" },
        { "space of the last part alone", "a /b \t", "a /b" },
        { "space of each part that becomes the last", "a /b/ / ", "a /b" },
        { "dots that trimming uncovers", "a/b/.. ", "a" },
        { "and those that they uncover", "a/b /..%2f. \\.. /. ", "a" },
        { "space of Unicode", "k\u00a0\u3000\xc2\x85", "k" },
        { "nothing", "", NULL },
        { "only space and slashes", " / \\ ", NULL },
        { "bytes that are no UTF-8", "\xff\xfe", "\xff\xfe" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *got = NULL;
        int r = cache_key_canonical(cases[i].key, &got);

        if (r != (cases[i].want ? 0 : -EINVAL) || (cases[i].want && !str_eq(got, cases[i].want)))
            fail_msg("%s: %d, '%s'", cases[i].why, r, got ? got : "(none)");
    }
}

static bool has_part(const char *key, const char *part)
{
    autofree char *whole = mem_printf("/%s/", key);
    autofree char *wanted = mem_printf("/%s/", part);

    return strstr(whole, wanted) != NULL;
}

static void random_key(const struct rng *rng, char *key, size_t size)
{
    static const char *const pieces[] = {
        "a",   "b",   "/", "\\", ".", "..", " ",      "\t",
        "%2e", "%2F", "%", "2",  "f", "e",  "\u00a0", "/../",
    };

    key[0] = '\0';
    for (uint64_t n = rng_below(rng, 12); n > 0; n--) {
        const char *piece = pieces[rng_below(rng, ARRAY_LEN(pieces))];

        (void) strncat(key, piece, size - strlen(key) - 1);
    }
}

/* hardening.md V10: the form of the form is the form, and no key in it leaves its folder. */
static void test_form_is_idempotent_and_stays_inside(void **unused)
{
    struct rng_seeded rng;
    size_t refused = 0;

    (void) unused;
    rng_seed(&rng, 10);
    for (size_t i = 0; i < 20000; i++) {
        char key[128];
        autofree char *once = NULL;
        autofree char *twice = NULL;

        random_key(&rng.rng, key, sizeof(key));
        if (cache_key_canonical(key, &once) < 0) {
            refused++;
            continue;
        }
        if (cache_key_canonical(once, &twice) < 0 || !str_eq(once, twice))
            fail_msg("'%s' became '%s', and that '%s'", key, once, twice ? twice : "(none)");
        if (has_part(once, "") || has_part(once, ".") || has_part(once, "..") ||
            strchr(once, '\\') || strcasestr(once, "%2e") || strcasestr(once, "%2f") ||
            str_ends(once, " "))
            fail_msg("'%s' became '%s'", key, once);
    }
    assert_true(refused > 0 && refused < 10000);
}

static int make_form(void *arg)
{
    autofree char *form = NULL;

    (void) arg;
    return cache_key_canonical("a/../b ", &form);
}

static void test_lack_of_memory_is_told(void **unused)
{
    (void) unused;
    harness_need_faults();
    assert_true(harness_fail_each_allocation(make_form, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_have_one_form),
        cmocka_unit_test(test_form_is_idempotent_and_stays_inside),
        cmocka_unit_test(test_lack_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
