/* tests/unit/sdk/test_check.c - `flotilla plugin check` passes plugins that keep the contract, and
 * finds each planted fault (tests/fakes/wrong_provider.c) by the right line.
 *
 * argv: the flotilla program, the directory of the fakes, the local and the static provider. Plugins are copied
 * into a private directory, because a build directory may be writable by others. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <cmocka.h>

#include "tests/harness/harness.h"
#include "tests/unit/sdk/plugin_command.h"

#define AT_ONCE 8 /* a check waits for most of its time */

static const char *local, *static_machines;
static struct plugin_command command = { .root = "/tmp/flotilla-check-test-XXXXXX" };

static int check(char *file, struct buf *out)
{
    return plugin_command_check(&command, file, "{}", out);
}

static void expect_pass(const char *from, const char *name, const char *config)
{
    autofree char *file = plugin_command_copy(&command, from, name);
    autobuf struct buf out = BUF_INIT;
    int status = plugin_command_check(&command, file, config, &out);

    if (status != 0 || strstr(buf_str(&out), "FAIL") || strstr(buf_str(&out), "\nskip "))
        fail_msg("%s with %s: status %d\n%s", name, config, status, buf_str(&out));
}

static void test_a_provider_that_keeps_the_contract_passes(void **state)
{
    autofree char *from = mem_printf("%s/good_provider.so", command.fakes);

    (void) state;
    expect_pass(from, "good_provider", "{}");
}

static void test_the_local_provider_passes(void **state)
{
    static const char *const configs[] = {
        "{}",
        "{\"name\": \"other\", \"max_size\": 2}",
        "{\"boot_delay\": \"1h\"}",
        "{\"failure\": \"never_boots\"}",
        "{\"failure\": \"dies\", \"dies_after\": \"1h\"}",
        "{\"failure\": \"dead_end\"}",
    };

    (void) state;
    if (access("/usr/sbin/sshd", X_OK) < 0)
        harness_skip("there is no /usr/sbin/sshd");
    for (size_t i = 0; i < ARRAY_LEN(configs); i++)
        expect_pass(local, "local", configs[i]);
}

/* It has no heartbeat and no signals: nobody but the machine itself could be asked. */
static void test_the_static_provider_passes(void **state)
{
    autofree char *file = plugin_command_copy(&command, static_machines, "fleeting-plugin-static");
    autobuf struct buf out = BUF_INIT;
    int status =
        plugin_command_check(&command, file,
                             "{\"instances\": {\"a\": {\"internal_addr\": \"10.0.0.1\"}, \"b\": "
                             "{\"external_addr\": \"127.0.0.1:2222\"}}}",
                             &out);

    (void) state;
    if (status != 0 || !strstr(buf_str(&out), " 0 failed, 2 skipped\n"))
        fail_msg("status %d\n%s", status, buf_str(&out));
}

static struct plugin_command_run start_wrong(const char *fault)
{
    autofree char *name = mem_printf("wrong_%s", fault);
    autofree char *file = plugin_command_install(&command, name);

    return plugin_command_start_check(&command, file, "{}");
}

static void expect_line(struct plugin_command_run run, const char *fault, const char *line)
{
    autobuf struct buf out = BUF_INIT;
    int status = plugin_command_end(run, &out);

    if (status != 1 || !plugin_command_has_line(buf_str(&out), line))
        fail_msg("%s: status %d, wanted '%s' in\n%s", fault, status, line, buf_str(&out));
}

static void test_each_planted_fault_is_found_by_its_line(void **state)
{
    static const struct {
        const char *fault, *line;
    } rows[] = {
        { "extra_symbol", "FAIL one exported symbol: it also exports helper_of_mine" },
        { "key_type", "FAIL config keys are well formed: key 'name' has a type that does not "
                      "exist" },
        { "silent_unknown_key", "FAIL open warns of an unknown key: open logged no warning that "
                                "names the key" },
        { "refuses_unknown_key", "FAIL open warns of an unknown key: open returned FLT_E_INVALID: "
                                 "flotilla_check_unknown_key is not known" },
        { "accepts_any_type", "FAIL open refuses a wrong type: open returned FLT_OK for a 'name' "
                              "that is no string" },
        { "error_without_reason", "FAIL open refuses a wrong type: open returned FLT_E_INVALID "
                                  "without a reason by host->fail()" },
        { "keys_ignore_stop", "FAIL config_keys stops when it is told to: config_keys went on "
                              "emitting after its sink had said stop" },
        { "needs_keys", "FAIL works with a host of 1.0: open returned FLT_E_INTERNAL: nobody asked "
                        "for the keys" },
        { "reads_past_host", "FAIL works with a host of 1.0: the plugin crashed with signal 11" },
        { "open_deaf", "FAIL a cancelled open ends within a second: open returned * ms after its "
                       "cancel, 1000 are allowed" },
        { "close_leaks", "FAIL close gives everything back: 10 descriptors more after 10 times of "
                         "open, list and close" },
        { "needs_warmth", "FAIL works in a provider worker: increase: FLT_E_INTERNAL: the cloud is "
                          "not known yet" },
        { "one_epoch", "FAIL works inline: increase: FLT_E_STALE: another manager holds the "
                       "group" },
        { "list_varies", "FAIL list is repeatable: the second list lacks wrong-1" },
        { "duplicate_id", "FAIL list is repeatable: list emitted wrong-1 twice" },
        { "bad_id", "FAIL list is repeatable: list emitted 'wrong id', which is no id" },
        { "bad_state", "FAIL list is repeatable: list emitted the state 8, which does not exist" },
        { "bad_size", "FAIL list is repeatable: list emitted a record whose struct_size is 4, 1.0 "
                      "has 16" },
        { "code", "FAIL list is repeatable: list returned 42, which is no result of the ABI" },
        { "crashes", "FAIL works with a host of 1.0: the plugin crashed with signal 6" },
        { "exits", "FAIL works with a host of 1.0: the plugin ended its process with status 0" },
        { "ignores_cancel", "FAIL a cancel is honoured within a second: list returned * ms after "
                            "its cancel, 1000 are allowed" },
        { "list_deaf", "FAIL a cancel is honoured within a second: list returned * ms after its "
                       "cancel, 1000 are allowed" },
        { "connect_deaf", "FAIL a cancel is honoured within a second: connect_info returned * ms "
                          "after its cancel, 1000 are allowed" },
        { "heartbeat_deaf", "FAIL a cancel is honoured within a second: heartbeat returned * ms "
                            "after its cancel, 1000 are allowed" },
        { "signals_deaf", "FAIL a cancel is honoured within a second: signals returned * ms after "
                          "its cancel, 1000 are allowed" },
        { "signals_ignore_stop", "FAIL a sink that says stop is obeyed: signals went on emitting "
                                 "after its sink had said stop" },
        { "signals_unclaimed", "FAIL loads and is admitted: it has the slot signals, but not the "
                               "capability" },
        { "signal_code", "FAIL signals say what holds: signals emitted one whose code is neither "
                         "FLT_E_UNHEALTHY nor FLT_E_QUOTA" },
        { "signal_id", "FAIL signals say what holds: signals emitted one about an instance whose "
                       "id is none" },
        { "signal_silent", "FAIL signals say what holds: signals emitted one without a sentence" },
        { "list_ignores_stop", "FAIL a sink that says stop is obeyed: list went on emitting after "
                               "its sink had said stop" },
        { "connect_ignores_stop", "FAIL a sink that says stop is obeyed: connect_info returned "
                                  "FLT_OK after its sink had said stop" },
        { "decrease_ignores_stop", "FAIL a sink that says stop is obeyed: decrease went on "
                                   "emitting after its sink had said stop" },
        { "leaks_fd", "FAIL 50 lists leak nothing: 50 descriptors more after 50 lists" },
#ifndef __SANITIZE_ADDRESS__ /* its allocator keeps no account that mallinfo2() could read */
        { "leaks_memory", "FAIL 50 lists leak nothing: * bytes more after 50 lists" },
        { "close_leaks_memory", "FAIL close gives everything back: * bytes more after 10 times of "
                                "open, list and close" },
        { "increase_leaks", "FAIL 20 calls of each kind leak nothing: * bytes more after 20 calls "
                            "of increase" },
        { "decrease_leaks", "FAIL 20 calls of each kind leak nothing: * bytes more after 20 calls "
                            "of decrease" },
        { "connect_leaks", "FAIL 20 calls of each kind leak nothing: * bytes more after 20 calls "
                           "of connect_info" },
        { "signals_leak", "FAIL 20 calls of each kind leak nothing: * bytes more after 20 calls "
                          "of signals" },
        { "heartbeat_leaks", "FAIL 20 calls of each kind leak nothing: * bytes more after 20 calls "
                             "of heartbeat" },
#endif
        { "prints", "FAIL standard output stays empty: it wrote * bytes to standard output" },
        { "chdir", "FAIL the process is left as it was: it changed the working directory to /" },
        { "umask", "FAIL the process is left as it was: it changed the umask to 000" },
        { "signal", "FAIL the process is left as it was: it changed what signal 15 does" },
        { "forks", "FAIL the process is left as it was: it started a process of its own; programs "
                   "are run by host->run()" },
        { "inherited_fd", "FAIL descriptors are close-on-exec: descriptor * is not close-on-exec" },
        { "emits_late", "FAIL list is repeatable: it emitted after its call of list had returned" },
        { "emits_on_thread",
          "FAIL list is repeatable: list emitted from another thread than its call's" },
        { "increase_deaf", "FAIL a cancelled increase ends within a second: increase returned * "
                           "ms after its cancel, 1000 are allowed" },
        { "repeats_request", "FAIL increase is accepted and listed: list shows 6 new instances, 2 "
                             "were asked for: a call that was cancelled and the one that repeats "
                             "it are one request" },
        { "forgets_request", "FAIL increase with the same request makes nothing new: the repeated "
                             "request made 2 more instances" },
        { "never_makes", "FAIL increase is accepted and listed: list shows 0 of 2 new instances "
                         "after 300 ms" },
        { "greedy", "FAIL increase is accepted and listed: increase accepted 3 of 2" },
        { "silent_accepted", "FAIL increase is accepted and listed: increase did not write how "
                             "many it accepted" },
        { "decrease_deaf", "FAIL a cancelled decrease ends within a second: decrease returned * "
                           "ms after its cancel, 1000 are allowed" },
        { "unknown_not_found", "FAIL decrease of an unknown id is accepted: decrease returned "
                               "FLT_E_NOT_FOUND: there is no such instance" },
        { "never_removes", "FAIL decrease is accepted and listed: list shows 2 of the removed "
                           "instances as before after 300 ms" },
        { "forgets_accepted", "FAIL decrease is accepted and listed: decrease accepted 1 of 2 "
                              "instances" },
        { "keeps_pointer", "FAIL an older epoch is stale: decrease emitted memory of ours that was "
                           "lent for an earlier call: it keeps a pointer" },
        { "not_ready_without_time", "FAIL connect_info answers or says when: connect_info returned "
                                    "FLT_E_NOT_READY without a time to ask again" },
        { "loopback",
          "FAIL connect_info answers or says when: connect_info: the address 127.0.0.1 "
          "is this machine's, link-local or no host's; only the local and static providers "
          "may name it" },
        { "protocol", "FAIL connect_info answers or says when: connect_info: invalid protocol: "
                      "must be either winrm, ssh, or winrm+https" },
        { "no_record", "FAIL connect_info answers or says when: connect_info emitted 0 records, "
                       "not one" },
        { "connects_anything", "FAIL connect_info of an unknown id is an error: connect_info "
                               "returned FLT_OK for an instance that does not exist" },
        { "heartbeat_not_found",
          "FAIL heartbeat answers: heartbeat returned FLT_E_NOT_FOUND; FLT_OK, "
          "FLT_E_UNHEALTHY and FLT_E_UNAVAILABLE are its answers" },
    };

    struct plugin_command_run runs[ARRAY_LEN(rows)];

    (void) state;
    for (size_t next = 0; next < ARRAY_LEN(rows) + AT_ONCE; next++) {
        if (next < ARRAY_LEN(rows))
            runs[next] = start_wrong(rows[next].fault);
        if (next >= AT_ONCE)
            expect_line(runs[next - AT_ONCE], rows[next - AT_ONCE].fault,
                        rows[next - AT_ONCE].line);
    }
}

static void test_a_plugin_that_hangs_is_ended(void **state)
{
    autofree char *from = mem_printf("%s/wrong_hangs.so", command.fakes);
    autofree char *file = plugin_command_copy(&command, from, "wrong_hangs");
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(check(file, &out), 1);
    assert_true(plugin_command_has_line(
        buf_str(&out), "FAIL works with a host of 1.0: list has not returned 2000 ms after its "
                       "cancel; "
                       "the rest cannot be checked"));
}

static void test_a_plugin_that_dies_leaves_a_note_of_its_instances(void **state)
{
    autofree char *from = mem_printf("%s/wrong_never_removes.so", command.fakes);
    autofree char *file = plugin_command_copy(&command, from, "wrong_never_removes");
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(check(file, &out), 1);
    assert_true(plugin_command_has_line(buf_str(&out), "note instance good-1 may be left behind"));
    assert_true(plugin_command_has_line(buf_str(&out), "note instance good-2 may be left behind"));
}

static void test_a_file_that_is_no_plugin_fails_at_once(void **state)
{
    autofree char *file = plugin_command_copy(&command, command.flotilla, "no_plugin");
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(check(file, &out), 1);
    assert_non_null(strstr(buf_str(&out), "FAIL one exported symbol: does not export "
                                          "flotilla_provider_v1\n"));
    assert_non_null(strstr(buf_str(&out), "FAIL loads and is admitted:"));
}

static void test_list_shows_what_is_refused_and_why(void **state)
{
    autofree char *from = mem_printf("%s/good_provider.so", command.fakes);
    autofree char *good = plugin_command_copy(&command, from, "good_provider");
    autofree char *bad = plugin_command_copy(&command, command.flotilla, "no_plugin");
    autofree char *want = mem_printf("%s: does not export flotilla_provider_v1", bad);
    char *argv[] = { (char[]) { "flotilla" },     (char[]) { "plugin" }, (char[]) { "list" },
                     (char[]) { "--plugin-dir" }, command.root,          NULL };
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(plugin_command_run(&command, argv, &out), 0);
    assert_non_null(strstr(buf_str(&out), good));
    assert_non_null(strstr(buf_str(&out), want));
}

static void test_info_shows_the_keys(void **state)
{
    autofree char *from = mem_printf("%s/good_provider.so", command.fakes);
    autofree char *file = plugin_command_copy(&command, from, "good_provider");
    char *argv[] = { (char[]) { "flotilla" }, (char[]) { "plugin" }, (char[]) { "info" }, file,
                     NULL };
    autobuf struct buf out = BUF_INIT;

    (void) state;
    assert_int_equal(plugin_command_run(&command, argv, &out), 0);
    assert_non_null(strstr(buf_str(&out), "max_size                      integer   no        10  "
                                          "              the most instances\n"));
    assert_non_null(strstr(buf_str(&out), "capabilities  heartbeat, signals, config_keys\n"));
}

static int setup(void **state)
{
    (void) state;
    return mkdtemp(command.root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void) state;
    return fs_remove_tree(AT_FDCWD, command.root);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_provider_that_keeps_the_contract_passes),
        cmocka_unit_test(test_the_local_provider_passes),
        cmocka_unit_test(test_the_static_provider_passes),
        cmocka_unit_test(test_each_planted_fault_is_found_by_its_line),
        cmocka_unit_test(test_a_plugin_that_hangs_is_ended),
        cmocka_unit_test(test_a_plugin_that_dies_leaves_a_note_of_its_instances),
        cmocka_unit_test(test_a_file_that_is_no_plugin_fails_at_once),
        cmocka_unit_test(test_list_shows_what_is_refused_and_why),
        cmocka_unit_test(test_info_shows_the_keys),
    };

    if (argc != 5) {
        (void) fprintf(stderr, "usage: test_check FLOTILLA FAKES LOCAL_PLUGIN STATIC_PLUGIN\n");
        return 1;
    }
    command.flotilla = argv[1];
    command.fakes = argv[2];
    local = argv[3];
    static_machines = argv[4];
    return cmocka_run_group_tests(tests, setup, teardown);
}
