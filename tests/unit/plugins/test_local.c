/* tests/unit/plugins/test_local.c - plugins/local on its good days: the real plugin, the real sshd,
 * the real ssh.
 */

#include "tests/unit/plugins/local_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_an_instance_can_be_grown_reached_and_removed(void **state)
{
    struct fixture *f = *state;
    char out[1024], home[256], path[600];
    struct listing all;
    struct connection c;

    group_open(f, "{}");
    assert_int_equal(f->call.max_size, 10);
    assert_string_equal(f->call.identity, "local group local");
    assert_int_equal(list(f).n, 0);

    assert_int_equal(grow(f, 1, "r-1"), 1);
    all = list(f);
    assert_int_equal(all.n, 1);
    assert_int_equal(all.states[0], FLT_STATE_RUNNING);

    connect_to(f, all.ids[0], &c);
    assert_int_equal(ssh(&c, "printf '%s %s' \"$HOME\" \"$(pwd)\"; exit 7", out, sizeof(out)), 7);
    instance_path(f, all.ids[0], "home", home, sizeof(home));
    (void) snprintf(path, sizeof(path), "%s %s", home, home);
    assert_string_equal(out, path);
    assert_int_equal(provider->heartbeat(f->group, next_call(f, NULL, 0), all.ids[0]), FLT_OK);

    shrink(f, all.ids[0]);
    assert_int_equal(list(f).n, 0);
    assert_int_equal(count_processes(all.ids[0]), 0);
    instance_path(f, all.ids[0], "", path, sizeof(path));
    assert_int_equal(access(path, F_OK), -1);
}

static void test_removing_again_or_something_unknown_is_accepted(void **state)
{
    static const char *const unknown[] = {
        "local-0123456789abcdef", "i-1", "..", "local-", "../../etc", ""
    };
    struct fixture *f = *state;
    struct listing all;

    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    shrink(f, all.ids[0]);
    shrink(f, all.ids[0]);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        shrink(f, unknown[i]);
    assert_int_equal(list(f).n, 0);
}

static void test_instances_have_homes_keys_and_ports_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct connection a, b, mixed;
    char out[1024];
    struct listing all;

    group_open(f, "{}");
    assert_int_equal(grow(f, 2, "r-1"), 2);
    all = list(f);
    connect_to(f, all.ids[0], &a);
    connect_to(f, all.ids[1], &b);
    assert_int_not_equal(a.port, b.port);
    assert_int_equal(ssh(&a, "echo mine > file", out, sizeof(out)), 0);
    assert_int_equal(ssh(&b, "cat file", out, sizeof(out)), 1);
    mixed = a;
    memcpy(mixed.key_file, b.key_file, sizeof(mixed.key_file));
    assert_int_equal(ssh(&mixed, "true", out, sizeof(out)), 255);
    mixed = a;
    mixed.port = b.port;
    assert_int_equal(ssh(&mixed, "true", out, sizeof(out)), 255);
}

/* What flotilla itself writes is for nobody else; what jobs build is for whoever runs it. */
static void test_a_session_has_the_umask_of_a_login(void **state)
{
    struct fixture *f = *state;
    struct listing all;
    struct connection c;
    char out[256];
    mode_t before = umask(077);

    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    (void) umask(before);
    all = list(f);
    connect_to(f, all.ids[0], &c);
    assert_int_equal(ssh(&c, "umask", out, sizeof(out)), 0);
    assert_string_equal(out, "0022\n");
}

static void test_a_repeated_request_is_the_same_request(void **state)
{
    struct fixture *f = *state;

    group_open(f, "{}");
    assert_int_equal(grow(f, 2, "r-1"), 2);
    assert_int_equal(grow(f, 2, "r-1"), 2);
    assert_int_equal(list(f).n, 2);
    assert_int_equal(grow(f, 3, "r-1"), 3); /* as if the first try had ended early */
    assert_int_equal(list(f).n, 3);
    assert_int_equal(grow(f, 1, "r-2"), 1);
    assert_int_equal(list(f).n, 4);
}

static void test_instances_outlive_the_provider(void **state)
{
    struct fixture *f = *state;
    struct listing before, after;
    struct connection c;
    char out[64];

    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    before = list(f);
    group_close(f);
    group_open(f, "{}");
    after = list(f);
    assert_int_equal(after.n, 1);
    assert_string_equal(after.ids[0], before.ids[0]);
    assert_int_equal(after.states[0], FLT_STATE_RUNNING);
    connect_to(f, after.ids[0], &c);
    assert_int_equal(ssh(&c, "echo here", out, sizeof(out)), 0);
    assert_string_equal(out, "here\n");
}

static void test_an_instance_is_creating_until_its_boot_delay_is_over(void **state)
{
    struct fixture *f = *state;
    struct connection c;
    struct listing all;

    group_open(f, "{\"boot_delay\": \"2.5s\"}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    assert_int_equal(all.states[0], FLT_STATE_CREATING);
    assert_int_equal(
        provider->connect_info(f->group, next_call(f, NULL, 0), all.ids[0], NULL, NULL),
        FLT_E_NOT_READY);
    assert_in_range(f->call.retry_after_ms, 1, 2500);
    wait_for_state(f, all.ids[0], FLT_STATE_RUNNING);
    connect_to(f, all.ids[0], &c);
}

static void test_background_processes_end_with_their_instance(void **state)
{
    /* Each way in which a job's process can slip out of its session. */
    static const char *const escapes[] = {
        "setsid sleep 1000",
        "setsid env -i sleep 1000",
        "nohup sleep 1000",
        "(setsid setsid -f env -i sleep 1000)",
    };
    struct fixture *f = *state;
    char out[1024], command[512], pids[4096] = "";
    struct listing all;
    struct connection c;
    unsigned n = 0;

    group_open(f, "{}");
    (void) grow(f, 2, "r-1");
    all = list(f);
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        connect_to(f, all.ids[0], &c);
        (void) snprintf(command, sizeof(command), "%s >/dev/null 2>&1 </dev/null & exit 0",
                        escapes[i]);
        assert_int_equal(ssh(&c, command, out, sizeof(out)), 0);
    }
    connect_to(f, all.ids[1], &c);
    assert_int_equal(
        ssh(&c, "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!", out, sizeof(out)), 0);
    connect_to(f, all.ids[0], &c);
    /* Everything whose working directory is the first instance's home. */
    assert_int_equal(ssh(&c,
                         "for p in /proc/[0-9]*; do "
                         "[ \"$(readlink $p/cwd)\" = \"$HOME\" ] && "
                         "[ \"$(tr '\\0' ' ' <$p/cmdline)\" = 'sleep 1000 ' ] && "
                         "echo ${p#/proc/}; done; true",
                         pids, sizeof(pids)),
                     0);
    shrink(f, all.ids[0]);
    for (char *rest = pids, *line; (line = strsep(&rest, "\n")) && *line; n++)
        assert_false(is_alive(pid_of(line)));
    assert_int_equal(n, sizeof(escapes) / sizeof(escapes[0]));
    assert_true(is_alive(pid_of(out))); /* the other instance's */
}

static void test_an_open_connection_ends_with_a_dead_listener(void **state)
{
    struct fixture *f = *state;
    char command[256], out[256];
    struct connection c;
    struct listing all;
    int status;
    pid_t pid;

    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    connect_to(f, all.ids[0], &c);
    (void) snprintf(command, sizeof(command), "kill -KILL %d; exec sleep 1000",
                    read_pid_file(f, all.ids[0]));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) /* 255: ssh lost the connection */
        _exit(ssh(&c, command, out, sizeof(out)) == 255 ? 0 : 1);
    wait_for_state(f, all.ids[0], FLT_STATE_DELETED);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    wait_for_no_process(all.ids[0]);
    assert_int_equal(provider->heartbeat(f->group, next_call(f, NULL, 0), all.ids[0]),
                     FLT_E_UNHEALTHY);
}

static void test_the_maximum_is_a_quota(void **state)
{
    struct fixture *f = *state;
    uint32_t accepted = 0;

    group_open(f, "{\"max_size\": 2}");
    assert_int_equal(f->call.max_size, 2);
    assert_int_equal(provider->increase(f->group, next_call(f, "r-1", 1000), 3, &accepted),
                     FLT_E_QUOTA);
    assert_int_equal(accepted, 2);
    assert_non_null(strstr(f->call.fail_text, "max_size is 2"));
    assert_int_equal(list(f).n, 2);
}

static void test_what_a_job_leaves_is_removed_without_following_links(void **state)
{
    struct fixture *f = *state;
    char out[1024], outside[128], command[1024], trash[128];
    struct listing all;
    struct connection c;

    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    connect_to(f, all.ids[0], &c);
    (void) snprintf(outside, sizeof(outside), "%s/outside", f->root);
    assert_int_equal(mkdir(outside, 0700), 0);
    (void) snprintf(command, sizeof(command),
                    "touch %s/kept; ln -s %s link; mkdir closed; touch closed/file; ln -s %s "
                    "closed/link; chmod 0 closed; "
                    "i=0; while [ $i -lt 200 ]; do mkdir deep && cd deep; i=$((i + 1)); done",
                    outside, outside, outside);
    assert_int_equal(ssh(&c, command, out, sizeof(out)), 0);
    shrink(f, all.ids[0]);
    (void) snprintf(command, sizeof(command), "%s/kept", outside);
    assert_int_equal(access(command, F_OK), 0);
    (void) snprintf(trash, sizeof(trash), "%s/local/trash", f->root);
    assert_int_equal(rmdir(trash), 0); /* empty */
    assert_int_equal(mkdir(trash, 0700), 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_an_instance_can_be_grown_reached_and_removed),
        TEST(test_removing_again_or_something_unknown_is_accepted),
        TEST(test_a_session_has_the_umask_of_a_login),
        TEST(test_instances_have_homes_keys_and_ports_of_their_own),
        TEST(test_a_repeated_request_is_the_same_request),
        TEST(test_instances_outlive_the_provider),
        TEST(test_an_instance_is_creating_until_its_boot_delay_is_over),
        TEST(test_background_processes_end_with_their_instance),
        TEST(test_an_open_connection_ends_with_a_dead_listener),
        TEST(test_the_maximum_is_a_quota),
        TEST(test_what_a_job_leaves_is_removed_without_following_links),
    };
    int code = fixture_load(argc, argv);

    return code != 0 ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
