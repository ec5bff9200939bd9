/* tests/unit/failures/test_failures.c - each unit with its 1st, 2nd, 3rd… allocation or system call failing, until it
 * gets through: it says so, or it did all of its work; it gives back what it took; nothing of a secret comes through.
 *
 * argv: the project's root, the plugin moody_provider.so. The sanitizers of build-asan see what leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "tests/harness/harness.h"
#include "tests/unit/failures/units.h"

static struct place place;

struct attempt {
    const struct unit *unit;
    const struct result *whole; /* of a run in which nothing failed */
};

static void assert_whole(const struct attempt *attempt, const struct result *result)
{
    const char *got = result->text, *want = attempt->whole->text;

    while (*got && *got == *want)
        got++, want++;
    if (*got != *want)
        fail_msg("%s says that it went well, and behind byte %zu made '%.150s' instead of '%.150s'",
                 attempt->unit->name, (size_t) (got - result->text), got, want);
}

static int run_unit(void *arg)
{
    static struct result result;
    const struct attempt *attempt = arg;
    int r;

    result.len = 0;
    result.text[0] = '\0';
    r = attempt->unit->run(&place, &result);
    if (r > 0)
        fail_msg("%s: left something behind or let a secret through", attempt->unit->name);
    if (r == 0 && attempt->whole && !attempt->unit->may_leave_out)
        assert_whole(attempt, &result);
    return r;
}

/* Calls back with each unit, and what it makes undisturbed. */
static void for_each_unit(size_t (*disturb)(harness_operation operation, void *arg))
{
    harness_need_faults();
    for (size_t i = 0; i < n_units; i++) {
        static struct result whole;
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        struct attempt attempt = { .unit = &units[i] };

        place.dir = dir;
        whole.len = 0;
        if (units[i].run(&place, &whole) != 0)
            fail_msg("%s does not work at all", units[i].name);
        attempt.whole = &whole;
        print_message("%s: %zu failures\n", units[i].name, disturb(run_unit, &attempt));
    }
}

static size_t no_space(harness_operation operation, void *arg)
{
    return harness_try_each_call(operation, arg, ENOSPC);
}

static size_t bad_disk(harness_operation operation, void *arg)
{
    return harness_try_each_call(operation, arg, EIO);
}

static size_t no_descriptors(harness_operation operation, void *arg)
{
    return harness_try_each_call(operation, arg, EMFILE);
}

static void test_each_allocation_may_fail(void **unused)
{
    for_each_unit(harness_try_each_allocation);
}

static void test_each_call_may_fail(void **unused)
{
    for_each_unit(bad_disk);
    for_each_unit(no_space);
    for_each_unit(no_descriptors);
}

static void test_each_call_may_be_short(void **unused)
{
    for_each_unit(harness_shorten_each_call);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_may_fail),
        cmocka_unit_test(test_each_call_may_fail),
        cmocka_unit_test(test_each_call_may_be_short),
    };
    autofree char *plugin = argc == 3 ? realpath(argv[2], NULL) : NULL;
    autofree char *copy = mem_strdup(plugin);

    if (!copy)
        return 2;
    log_open(-1, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    (void) setenv("FLOTILLA_LIMITS", "report_silence=1000,report_connect=50", 1);
    place.source = argv[1];
    place.plugin = plugin; /* as the kernel names its descriptor */
    place.plugins = dirname(copy);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
