/* tests/unit/coordinator/test_system_id.c - mirrors core/coordinator/system_id.c (coordinator-protocol.md 1.13). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/coordinator/system_id.h"
#include "tests/harness/harness.h"

#define ID "r_AbCdEf012345"
#define OTHER "s_0123456789ab"

static void test_the_file_beside_the_configuration_rules(void **unused)
{
    static const struct {
        const char *why, *beside, *state, *want; /* NULL: no file; want NULL: another than both */
    } rows[] = {
        { "as it is", ID, NULL, ID },
        { "white space around it is none of it", " \n" ID "\r\n", NULL, ID },
        { "before the one in the state directory", ID, OTHER, ID },
        { "a former manager's goes on", NULL, ID, ID },
        { "too short", "s_0123456789a", NULL, NULL },
        { "too long", OTHER "c", NULL, NULL },
        { "another letter", "t_0123456789ab", NULL, NULL },
        { "a character that is none", "s_0123456789a-", NULL, NULL },
        { "nothing", "", NULL, NULL },
        { "no file", NULL, NULL, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        auto_ptr(harness_remove_dir) char *state = harness_temp_dir();
        autofree char *config = harness_path(dir, "config.toml");
        autofree char *kept = NULL;
        autoclose int state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char id[SYSTEM_ID_SIZE], again[SYSTEM_ID_SIZE];
        struct error err = { 0 };

        if (rows[i].beside)
            harness_write(dir, ".runner_system_id", rows[i].beside);
        if (rows[i].state)
            harness_write(state, "system_id", rows[i].state);
        if (system_id_load(config, state_fd, id, &err) != 0)
            fail_msg("%s: %s", rows[i].why, err.message);
        if (rows[i].want ? !str_eq(id, rows[i].want) : strlen(id) != 14)
            fail_msg("%s: got %s", rows[i].why, id);
        kept = harness_read(dir, ".runner_system_id");
        if (!strstr(kept, id))
            fail_msg("%s: %s was not kept", rows[i].why, id);
        assert_int_equal(system_id_load(config, -1, again, &err), 0);
        assert_string_equal(again, id);
    }
}

static void test_one_that_cannot_be_read_is_told(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *config = harness_path(dir, "config.toml");
    autofree char *file = harness_path(dir, ".runner_system_id");
    char id[SYSTEM_ID_SIZE];
    struct error err = { 0 };

    assert_int_equal(mkdir(file, 0700), 0);
    assert_true(system_id_load(config, -1, id, &err) < 0);
    assert_non_null(strstr(err.message, "system id beside"));
}

static void test_where_there_is_no_room_beside_it_the_state_directory_has_it(void **unused)
{
    auto_ptr(harness_remove_dir) char *state = harness_temp_dir();
    autofree char *kept = NULL;
    autoclose int state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char id[SYSTEM_ID_SIZE];
    struct error err = { 0 };

    assert_int_equal(system_id_load("/nowhere/config.toml", state_fd, id, &err), 0);
    kept = harness_read(state, "system_id");
    assert_string_equal(kept, id);
    assert_int_equal(system_id_load("/nowhere/config.toml", -1, id, &err), 1);
    assert_non_null(strstr(err.message, "/nowhere/config.toml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_file_beside_the_configuration_rules),
        cmocka_unit_test(test_one_that_cannot_be_read_is_told),
        cmocka_unit_test(test_where_there_is_no_room_beside_it_the_state_directory_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
