/* tests/unit/sdk/test_state_file.c - mirrors sdk/lib/state_file.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/lib/file.h"
#include "sdk/lib/state_file.h"
#include "sdk/lib/text.h"
#include "sdk/lib/wipe.h"
#include "tests/fakes/host_fake.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

static char state_dir[64];
static struct fake_call call;

static int32_t path_of(const char *group, char path[FLT_STATE_PATH_MAX], char *error)
{
    return flt_state_path(&fake_host, fake_call_ptr(&call), group, "json", path, error);
}

static int begin(void **state)
{
    (void) state;
    (void) snprintf(state_dir, sizeof(state_dir), "/tmp/flotilla-state-XXXXXX");
    assert_non_null(mkdtemp(state_dir));
    fake_call_init(&call, state_dir, 60000);
    return 0;
}

static int end(void **state)
{
    static const char *const rm[] = { "/bin/rm", "-rf", state_dir, NULL };

    (void) state;
    fake_call_done(&call);
    return fake_run(rm, NULL, NULL, true);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void test_a_file_is_replaced_as_a_whole_and_closed_to_others(void **state)
{
    char path[FLT_STATE_PATH_MAX], other[FLT_STATE_PATH_MAX], error[FLT_ERROR_MAX];
    FLT_WIPED char *text = NULL;

    (void) state;
    assert_int_equal(path_of("group one", path, error), FLT_OK);
    assert_int_equal(path_of("group two", other, error), FLT_OK);
    assert_string_not_equal(path, other);
    assert_int_equal(flt_state_read(path, &text, error), FLT_E_NOT_FOUND);
    assert_int_equal(flt_file_replace(path, "first and longer", error), FLT_OK);
    assert_int_equal(flt_file_replace(path, "second", error), FLT_OK);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(flt_state_read(path, &text, error), FLT_OK);
    assert_string_equal(text, "second");
}

static void test_what_cannot_be_written_is_said_and_the_old_one_stays(void **state)
{
    char path[FLT_STATE_PATH_MAX], in_the_way[FLT_STATE_PATH_MAX + 8], error[FLT_ERROR_MAX];
    FLT_WIPED char *text = NULL;

    (void) state;
    assert_int_equal(path_of("group", path, error), FLT_OK);
    assert_int_equal(flt_file_replace(path, "old", error), FLT_OK);
    (void) snprintf(in_the_way, sizeof(in_the_way), "%s.new", path);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    assert_int_equal(flt_file_replace(path, "new", error), FLT_E_INTERNAL);
    assert_non_null(strstr(error, path));
    assert_int_equal(flt_state_read(path, &text, error), FLT_OK);
    assert_string_equal(text, "old");
}

static void test_a_folder_that_others_may_enter_is_refused(void **state)
{
    char path[FLT_STATE_PATH_MAX], error[FLT_ERROR_MAX];

    (void) state;
    assert_int_equal(chmod(state_dir, 0755), 0);
    assert_int_equal(path_of("group", path, error), FLT_E_INVALID);
    assert_non_null(strstr(error, "chmod 0700"));
}

static void test_a_host_without_a_state_directory_is_told(void **state)
{
    char path[FLT_STATE_PATH_MAX], error[FLT_ERROR_MAX];

    (void) state;
    call.state_dir = NULL;
    assert_int_equal(path_of("group", path, error), FLT_E_INVALID);
    assert_non_null(strstr(error, "no state directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_is_replaced_as_a_whole_and_closed_to_others,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_written_is_said_and_the_old_one_stays,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_a_folder_that_others_may_enter_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_a_host_without_a_state_directory_is_told, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
