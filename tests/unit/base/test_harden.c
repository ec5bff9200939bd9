/* tests/unit/base/test_harden.c - mirrors core/base/harden.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/harden.h"
#include "tests/harness/harness.h"

static int check_process(void)
{
    struct rlimit core = { 1, 1 };
    int wrong = harden_process() != 0;

    wrong += prctl(PR_GET_DUMPABLE) != 0;
    wrong += prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
    wrong += getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0;
    return wrong;
}

static void test_hardening_S3_no_dump_no_core_no_new_rights(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(check_process), 0);
}

static int check_limit(void)
{
    struct rlimit files = { 0 };
    int wrong = harden_limit(RLIMIT_NOFILE, 100) != 0;

    wrong +=
        getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur != 100 || files.rlim_max != 100;
    wrong += harden_limit(RLIMIT_NOFILE, 200) != 0;
    wrong += getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur != 100;
    return wrong;
}

static void test_a_limit_is_only_lowered(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(check_limit), 0);
}

static int check_capabilities(void)
{
    int wrong = harden_drop_capabilities() != 0;

    /* A right of root's that nobody needs here: rlimits go up again with CAP_SYS_RESOURCE alone. */
    wrong += harden_limit(RLIMIT_NOFILE, 100) != 0;
    wrong += setrlimit(RLIMIT_NOFILE, &(struct rlimit) { 100, 200 }) == 0 || errno != EPERM;
    return wrong;
}

static void test_root_keeps_no_privilege(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(check_capabilities), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_S3_no_dump_no_core_no_new_rights),
        cmocka_unit_test(test_a_limit_is_only_lowered),
        cmocka_unit_test(test_root_keeps_no_privilege),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
