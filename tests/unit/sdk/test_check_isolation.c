/* tests/unit/sdk/test_check_isolation.c - `flotilla plugin check`, `info` and `list` of isolations: one that keeps the
 * contract passes, each planted fault (WRONG_… of tests/fakes/good_isolation.c) is found by its line.
 *
 * argv: the flotilla program, the directory of the fakes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <cmocka.h>

#include "tests/harness/harness.h"
#include "tests/unit/sdk/plugin_command.h"

static struct plugin_command command = { .root = "/tmp/flotilla-check-test-XXXXXX" };

static void test_one_that_keeps_the_contract_passes(void **state)
{
    autofree char *file = plugin_command_install(&command, "good_isolation");
    autobuf struct buf out = BUF_INIT;
    int status = plugin_command_check(&command, file, "{\"image\": \"base\"}", &out);

    (void) state;
    if (status != 0 || strstr(buf_str(&out), "FAIL") || strstr(buf_str(&out), "\nskip ") ||
        !strstr(buf_str(&out), "18 passed, 0 failed, 0 skipped\n"))
        fail_msg("status %d\n%s", status, buf_str(&out));
}

static void test_without_an_image_nothing_is_made(void **state)
{
    static const char sentence[] = ": the configuration names no \"image\" to make VMs of\n";
    autofree char *file = plugin_command_install(&command, "good_isolation");
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(plugin_command_check(&command, file, "{}", &out), 0);
    assert_non_null(strstr(buf_str(&out), sentence));
}

static void test_a_configuration_that_is_refused_ends_the_check(void **state)
{
    autofree char *file = plugin_command_install(&command, "good_isolation");
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(plugin_command_check(&command, file, "{\"unusable\": 1}", &out), 1);
    assert_true(plugin_command_has_line(
        buf_str(&out), "FAIL open takes the given configuration and dials nobody: "
                       "open returned FLT_E_INVALID: vm_isolation.unusable is set"));
}

static void test_each_planted_fault_is_found_by_its_line(void **state)
{
    static const struct {
        const char *fault, *line;
    } rows[] = {
        { "addr", "FAIL create makes a VM that is listed: create emitted a VM whose address is "
                  "neither HOST nor HOST:PORT" },
        { "deaf", "FAIL a cancel is honoured within a second: list returned * ms after its cancel, "
                  "1000 are allowed" },
        { "dials", "FAIL open takes the given configuration and dials nobody: open dialled the "
                   "instance; the first real call does" },
        { "goes_on", "FAIL a sink that says stop is obeyed: list went on emitting after its sink "
                     "had said stop" },
        { "keeps", "FAIL remove removes, and again: list still has vm-*" },
        { "leaks", "FAIL 20 lists leak nothing: 20 descriptors more after 20 lists" },
        { "no_vm", "FAIL create makes a VM that is listed: create emitted 0 VMs, not one" },
        { "silent", "FAIL create in a slot that is held stomps its VM: create in the slot of vm-* "
                    "told the stomped id NULL" },
        { "unknown", "FAIL remove of an unknown id is accepted: remove returned FLT_E_NOT_FOUND: "
                     "there is no such VM" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *name = mem_printf("wrong_isolation_%s", rows[i].fault);
        autofree char *file = plugin_command_install(&command, name);
        autobuf struct buf out = BUF_INIT;
        int status = plugin_command_check(&command, file, "{\"image\": \"base\"}", &out);

        if (status != 1 || !plugin_command_has_line(buf_str(&out), rows[i].line))
            fail_msg("%s: status %d, wanted '%s' in\n%s", rows[i].fault, status, rows[i].line,
                     buf_str(&out));
    }
}

static void test_info_and_list_tell_the_kind(void **state)
{
    autofree char *file = plugin_command_install(&command, "good_isolation");
    char *info[] = { (char[]) { "flotilla" }, (char[]) { "plugin" }, (char[]) { "info" }, file,
                     NULL };
    char *list[] = { (char[]) { "flotilla" },     (char[]) { "plugin" }, (char[]) { "list" },
                     (char[]) { "--plugin-dir" }, command.root,          NULL };
    autobuf struct buf told = BUF_INIT, listed = BUF_INIT;

    (void) state;
    assert_int_equal(plugin_command_run(&command, info, &told), 0);
    assert_true(plugin_command_has_line(buf_str(&told), "abi           isolation 1.0"));
    assert_true(plugin_command_has_line(buf_str(&told), "capabilities  none"));
    assert_int_equal(plugin_command_run(&command, list, &listed), 0);
    assert_true(plugin_command_has_line(buf_str(&listed), "good * 1 * isolation  1.0 *"));
}

static int make_root(void **state)
{
    (void) state;
    return mkdtemp(command.root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void) state;
    return fs_remove_tree(AT_FDCWD, command.root);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_keeps_the_contract_passes),
        cmocka_unit_test(test_without_an_image_nothing_is_made),
        cmocka_unit_test(test_a_configuration_that_is_refused_ends_the_check),
        cmocka_unit_test(test_each_planted_fault_is_found_by_its_line),
        cmocka_unit_test(test_info_and_list_tell_the_kind),
    };

    if (argc != 3) {
        (void) fprintf(stderr, "usage: test_check_isolation FLOTILLA FAKES\n");
        return 1;
    }
    command.flotilla = argv[1];
    command.fakes = argv[2];
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
