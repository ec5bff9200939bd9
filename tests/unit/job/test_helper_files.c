/* tests/unit/job/test_helper_files.c - mirrors core/job/helper_files.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/job/helper_files.h"
#include "tests/harness/harness.h"

static void test_a_build_finds_its_own(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *folder = harness_path(dir, "helper/static"), *found = NULL;
    autofree char *program = harness_path(dir, "core/flotilla");
    autofree char *want = harness_path(dir, "helper/static/flotilla-helper-static-aarch64");
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(fs_mkdirs(folder, 0700, &err), 0);
    assert_int_equal(helper_files_find_for(program, "aarch64", &found, &err), -ENOENT);
    harness_write(dir, "helper/static/flotilla-helper-static-aarch64", "x");
    assert_int_equal(helper_files_find_for(program, "aarch64", &found, &err), 0);
    assert_string_equal(found, want);
}

static void test_what_is_missing_is_said(void **unused)
{
    struct error err = { 0 };
    char *found = NULL;

    (void) unused;
    assert_int_equal(helper_files_find_for("/none/core/flotilla", "x86_64", &found, &err), -ENOENT);
    assert_non_null(strstr(err.message, "/flotilla/flotilla-helper-static-x86_64"));
    assert_int_equal(helper_files_find_for("flotilla", "x86_64", &found, &err), -ENOENT);
}

static void test_other_machines_have_none(void **unused)
{
    static const char *const others[] = { "riscv64", "", "../x86_64", "x86_64/" };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct error err = { 0 };
        char *found = NULL;

        assert_int_equal(helper_files_find(others[i], &found, &err), -ENOENT);
        assert_non_null(strstr(err.message, "no helper for machines of the kind"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_build_finds_its_own),
        cmocka_unit_test(test_what_is_missing_is_said),
        cmocka_unit_test(test_other_machines_have_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
