/* tests/unit/plugins/test_local_failures.c - plugins/local on its bad days: failing instances,
 * wrong configurations, crashes, and two hosts at once.
 */

#include "tests/unit/plugins/local_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_a_wrong_option_is_refused_by_name(void **state)
{
    static const struct {
        const char *config, *key, *why;
    } cases[] = {
        { "{\"max_size\": \"3\"}", "plugin_config.max_size", "a string is no number" },
        { "{\"max_size\": 0}", "plugin_config.max_size", "a group of none is of no use" },
        { "{\"max_size\": 10001}", "plugin_config.max_size", "more than a host takes" },
        { "{\"quota\": -1}", "plugin_config.quota", "fewer than none" },
        { "{\"price_micros_hour\": 0.5}", "plugin_config.price_micros_hour", "no integer" },
        { "{\"minimum_billed\": \"an hour\"}", "plugin_config.minimum_billed", "no duration" },
        { "{\"minimum_life\": -1}", "plugin_config.minimum_life", "negative" },
        { "{\"name\": 3}", "plugin_config.name", "a number is no name" },
        { "{\"name\": \"\"}", "plugin_config.name", "an empty name is no directory" },
        { "{\"name\": \"../x\"}", "plugin_config.name", "a name is one directory" },
        { "{\"name\": \"a/b\"}", "plugin_config.name", "a name is one directory" },
        { "{\"name\": \"a\\u0000b\"}", "plugin_config.name", "C would cut it" },
        { "{\"state_dir\": \"x\"}", "plugin_config.state_dir", "relative to what" },
        { "{\"state_dir\": \"/tmp/a'b\"}", "plugin_config.state_dir", "breaks a quoted string" },
        { "{\"sshd\": []}", "plugin_config.sshd", "a list is no path" },
        { "{\"sshd\": \"sshd\"}", "plugin_config.sshd", "sshd wants its absolute path" },
        { "{\"sshd\": \"/bin/true\"}", "plugin_config.sshd", "not an OpenSSH server" },
        { "{\"sshd\": \"/nowhere/sshd\"}", "plugin_config.sshd", "not there" },
        { "{\"boot_delay\": \"soon\"}", "plugin_config.boot_delay", "no duration" },
        { "{\"boot_delay\": \"5\"}", "plugin_config.boot_delay", "a duration has a unit" },
        { "{\"boot_delay\": \"\"}", "plugin_config.boot_delay", "no duration" },
        { "{\"boot_delay\": true}", "plugin_config.boot_delay", "no duration" },
        { "{\"boot_delay\": -1}", "plugin_config.boot_delay", "negative" },
        { "{\"boot_timeout\": 1e300}", "plugin_config.boot_timeout", "overflows" },
        { "{\"dies_after\": null}", "plugin_config.dies_after", "null is no duration" },
        { "{\"failure\": \"melts\"}", "plugin_config.failure", "not in the list" },
        { "{\"increase_error\": \"oops\"}", "plugin_config.increase_error", "not in the list" },
        { "[]", "plugin_config", "not an object" },
        { "{", "plugin_config", "not JSON" },
    };
    struct fixture *f = *state;
    flt_group *group = NULL;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int32_t code =
            provider->open(&fake_host, next_call(f, NULL, 0), cases[i].config, "{}", &group);

        if (code != FLT_E_INVALID || f->call.fail_code != FLT_E_INVALID ||
            !strstr(f->call.fail_text, cases[i].key))
            fail_msg("%s (%s): got %d '%s'", cases[i].config, cases[i].why, (int) code,
                     f->call.fail_text);
    }
}

static void test_an_unknown_option_is_a_warning(void **state)
{
    struct fixture *f = *state;

    group_open(f, "{\"maxsize\": 3, \"max_size\": 4}");
    assert_non_null(strstr(f->call.log, "1 plugin_config has an unknown key 'maxsize', ignoring"));
    assert_null(strstr(f->call.log, "'max_size'"));
    assert_int_equal(f->call.max_size, 4);
}

static int32_t on_key(void *arg, const struct flt_config_key *key)
{
    unsigned *n = arg;

    assert_true(key->struct_size >= sizeof(*key));
    assert_non_null(key->name);
    assert_non_null(key->type);
    assert_non_null(key->help);
    ++*n;
    return 0;
}

static void test_the_keys_describe_themselves(void **state)
{
    unsigned n = 0;

    (void) state;
    assert_int_equal(provider->config_keys(on_key, &n), FLT_OK);
    assert_int_equal(n, 13);
}

static void test_a_state_directory_that_others_can_enter_is_refused(void **state)
{
    struct fixture *f = *state;
    char config[128], dir[96];
    flt_group *group = NULL;

    (void) snprintf(dir, sizeof(dir), "%s/shared", f->root);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(chmod(dir, 0750), 0);
    (void) snprintf(config, sizeof(config), "{\"state_dir\": \"%s\"}", dir);
    assert_int_equal(provider->open(&fake_host, next_call(f, NULL, 0), config, "{}", &group),
                     FLT_E_INVALID);
    assert_non_null(strstr(f->call.fail_text, "chmod 0700"));
}

static int32_t no_id(void *arg, const char *id)
{
    (void) arg;
    fail_msg("%s was accepted", id);
    return 1;
}

static void test_an_older_epoch_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t accepted = 7;
    struct listing all;
    const char *ids[1];

    group_open(f, "{}");
    assert_int_equal(provider->increase(f->group, next_call(f, "r-1", 5), 1, &accepted), FLT_OK);
    all = list(f);
    ids[0] = all.ids[0];
    assert_int_equal(provider->increase(f->group, next_call(f, "r-2", 4), 1, &accepted),
                     FLT_E_STALE);
    assert_int_equal(accepted, 0);
    assert_non_null(strstr(f->call.fail_text, "epoch 5"));
    assert_non_null(strstr(f->call.fail_text, "has 4"));
    assert_int_equal(provider->decrease(f->group, next_call(f, "r-3", 4), ids, 1, no_id, NULL),
                     FLT_E_STALE);
    assert_int_equal(list(f).n, 1);

    group_close(f); /* it is remembered on disk */
    group_open(f, "{}");
    assert_int_equal(provider->increase(f->group, next_call(f, "r-4", 4), 1, &accepted),
                     FLT_E_STALE);
    assert_int_equal(provider->increase(f->group, next_call(f, "r-5", 6), 1, &accepted), FLT_OK);
    assert_int_equal(provider->increase(f->group, next_call(f, "r-6", 5), 1, &accepted),
                     FLT_E_STALE);
    assert_int_equal(list(f).n, 2);
}

/* Taken for 0, it would let any older flotilla change the group. */
static void test_an_epoch_file_that_holds_rubbish_is_refused(void **state)
{
    static const char *const rubbish[] = {
        "", "\n", "x", "5x", "-1\n", "5 6\n", "9223372036854775808\n"
    };
    struct fixture *f = *state;
    uint32_t accepted;
    char path[256];

    group_open(f, "{}");
    (void) snprintf(path, sizeof(path), "%s/local/epoch", f->root);
    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
        write_file(path, rubbish[i]);
        accepted = 7;
        assert_int_equal(provider->increase(f->group, next_call(f, "r-1", 4), 1, &accepted),
                         FLT_E_INTERNAL);
        assert_int_equal(accepted, 0);
        assert_non_null(strstr(f->call.fail_text, "epoch holds no number"));
    }
    assert_int_equal(list(f).n, 0);
    write_file(path, "3\n");
    assert_int_equal(provider->increase(f->group, next_call(f, "r-1", 4), 1, &accepted), FLT_OK);
}

static void test_a_heartbeat_of_one_that_boots_could_not_ask(void **state)
{
    struct fixture *f = *state;
    struct listing all;

    group_open(f, "{\"boot_delay\": \"1h\"}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    assert_int_equal(all.states[0], FLT_STATE_CREATING);
    assert_int_equal(provider->heartbeat(f->group, next_call(f, NULL, 0), all.ids[0]),
                     FLT_E_UNAVAILABLE);
    assert_non_null(strstr(f->call.fail_text, "is booting"));
}

static void test_a_dead_instance_is_deleted_and_makes_room(void **state)
{
    struct fixture *f = *state;
    struct listing all;

    group_open(f, "{\"max_size\": 1}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    assert_int_equal(kill(read_pid_file(f, all.ids[0]), SIGKILL), 0);
    wait_for_state(f, all.ids[0], FLT_STATE_DELETED);
    assert_int_equal(
        provider->connect_info(f->group, next_call(f, NULL, 0), all.ids[0], NULL, NULL),
        FLT_E_NOT_FOUND);
    assert_int_equal(grow(f, 1, "r-2"), 1);
    assert_int_equal(list(f).n, 2);
    shrink(f, all.ids[0]);
    assert_int_equal(list(f).n, 1);
}

static void test_one_that_never_boots_ends_as_a_timeout(void **state)
{
    struct fixture *f = *state;
    struct listing all;

    group_open(f, "{\"failure\": \"never_boots\", \"boot_timeout\": \"2s\"}");
    assert_int_equal(grow(f, 1, "r-1"), 1);
    all = list(f);
    assert_int_equal(all.states[0], FLT_STATE_CREATING);
    assert_int_equal(count_processes(all.ids[0]), 0);
    assert_int_equal(
        provider->connect_info(f->group, next_call(f, NULL, 0), all.ids[0], NULL, NULL),
        FLT_E_NOT_READY);
    wait_for_state(f, all.ids[0], FLT_STATE_TIMEOUT);
    assert_int_equal(
        provider->connect_info(f->group, next_call(f, NULL, 0), all.ids[0], NULL, NULL),
        FLT_E_UNHEALTHY);
    shrink(f, all.ids[0]);
    assert_int_equal(list(f).n, 0);
}

static void test_one_that_dies_takes_everything_along_unasked(void **state)
{
    struct fixture *f = *state;
    struct connection c;
    struct listing all;
    int64_t from;
    char out[64];

    group_open(f, "{\"failure\": \"dies\", \"dies_after\": 3}");
    from = fake_now_ms();
    (void) grow(f, 1, "r-1");
    all = list(f);
    assert_int_equal(all.states[0], FLT_STATE_RUNNING);
    connect_to(f, all.ids[0], &c);
    assert_int_equal(ssh(&c, "setsid sleep 1000 >/dev/null 2>&1 </dev/null &", out, sizeof(out)),
                     0);
    /* 255: the connection was lost, as with a machine whose plug is pulled. */
    assert_int_equal(ssh(&c, "sleep 1000", out, sizeof(out)), 255);
    assert_in_range(fake_now_ms() - from, 3000, 15000);
    wait_for_no_process(all.ids[0]); /* nobody has called the plugin meanwhile */
    assert_int_equal(state_of(f, all.ids[0]), FLT_STATE_DELETED);
}

static void test_a_dead_end_accepts_connections_and_never_answers(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct pollfd answer;
    struct connection c;
    struct listing all;
    int fd;

    group_open(f, "{\"failure\": \"dead_end\"}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    assert_int_equal(all.states[0], FLT_STATE_RUNNING);
    assert_int_equal(provider->heartbeat(f->group, next_call(f, NULL, 0), all.ids[0]), FLT_OK);
    connect_to(f, all.ids[0], &c);
    address.sin_port = htons((uint16_t) c.port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    answer = (struct pollfd) { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&answer, 1, 500), 0); /* a healthy sshd shows its version at once */
    (void) close(fd);
    shrink(f, all.ids[0]);
    assert_int_equal(count_processes(all.ids[0]), 0);
}

static void test_growth_fails_as_the_configuration_says(void **state)
{
    static const struct {
        const char *name;
        int32_t code;
    } cases[] = {
        { "quota", FLT_E_QUOTA },       { "throttled", FLT_E_THROTTLED },
        { "internal", FLT_E_INTERNAL }, { "unavailable", FLT_E_UNAVAILABLE },
        { "invalid", FLT_E_INVALID },   { "auth", FLT_E_AUTH },
        { "timeout", FLT_E_TIMEOUT },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t accepted = 7;
        char config[64];

        (void) snprintf(config, sizeof(config), "{\"increase_error\": \"%s\"}", cases[i].name);
        group_open(f, config);
        assert_int_equal(provider->increase(f->group, next_call(f, "r-1", 1000), 1, &accepted),
                         cases[i].code);
        assert_int_equal(accepted, 0);
        assert_int_equal(list(f).n, 0);
        group_close(f);
    }
}

static void test_half_made_directories_are_cleaned(void **state)
{
    static const char half[] = "local-00000000000000aa", leaving[] = "local-00000000000000bb";
    struct fixture *f = *state;
    char path[256], target[256], out[64];
    struct connection c;
    struct listing all;

    group_open(f, "{}");
    (void) grow(f, 2, "r-1");
    all = list(f);
    connect_to(f, all.ids[0], &c);
    assert_int_equal(ssh(&c, "true", out, sizeof(out)), 0);
    group_close(f);

    /* The first as if a crash had come just before its last step; its sshd already runs. */
    instance_path(f, all.ids[0], "meta.json", path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    /* The second as if one had come right after it was marked. */
    instance_path(f, all.ids[1], "meta.json", path, sizeof(path));
    instance_path(f, all.ids[1], "gone.json", target, sizeof(target));
    assert_int_equal(rename(path, target), 0);
    /* And two that have hardly begun. */
    instance_path(f, half, "", path, sizeof(path));
    assert_int_equal(mkdir(path, 0700), 0);
    instance_path(f, leaving, "", path, sizeof(path));
    assert_int_equal(mkdir(path, 0700), 0);
    instance_path(f, leaving, "meta.json", path, sizeof(path));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* empty, as after a power cut */
    assert_true(fd >= 0);
    (void) close(fd);

    group_open(f, "{}");
    assert_int_equal(list(f).n, 0);
    instance_path(f, ".", "", path, sizeof(path));
    path[strlen(path) - 3] = '\0';
    assert_int_equal(rmdir(path), 0); /* empty */
    assert_int_equal(mkdir(path, 0700), 0);
    wait_for_no_process(all.ids[0]);
    wait_for_no_process(all.ids[1]);
    group_close(f);
}

static void test_an_interrupted_removal_is_listed_as_such_and_goes_on(void **state)
{
    struct fixture *f = *state;
    char path[256], target[256];
    struct listing all;
    int lock;

    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    all = list(f);
    instance_path(f, all.ids[0], "meta.json", path, sizeof(path));
    instance_path(f, all.ids[0], "gone.json", target, sizeof(target));
    assert_int_equal(rename(path, target), 0);
    (void) snprintf(path, sizeof(path), "%s/local/lock", f->root);
    lock = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0); /* another host is at work: only look */
    assert_int_equal(state_of(f, all.ids[0]), FLT_STATE_DELETING);
    (void) close(lock);
    assert_int_equal(state_of(f, all.ids[0]), -1);
    assert_int_equal(count_processes(all.ids[0]), 0);
}

static void test_a_call_ends_when_it_is_cancelled_or_out_of_time(void **state)
{
    struct fixture *f = *state;
    uint32_t accepted = 7;
    char path[256];
    flt_call *call;
    int64_t from;
    int lock;

    group_open(f, "{}");
    (void) snprintf(path, sizeof(path), "%s/local/lock", f->root);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(lock, LOCK_EX), 0);

    from = fake_now_ms();
    call = next_call(f, "r-1", 1);
    fake_call_cancel(&f->call);
    assert_int_equal(provider->increase(f->group, call, 1, &accepted), FLT_E_CANCELLED);
    assert_int_equal(accepted, 0);
    call = next_call(f, "r-1", 1);
    f->call.deadline_ms = fake_now_ms() + 100;
    assert_int_equal(provider->increase(f->group, call, 1, &accepted), FLT_E_TIMEOUT);
    assert_in_range(fake_now_ms() - from, 100, 1500);
    (void) close(lock);

    call = next_call(f, "r-1", 1);
    fake_call_cancel(&f->call);
    assert_int_equal(provider->increase(f->group, call, 1, &accepted), FLT_E_CANCELLED);
    assert_int_equal(accepted, 0);
    assert_int_equal(list(f).n, 0);
}

static unsigned count_dir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    unsigned n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    (void) closedir(dir);
    return n;
}

/* Until nothing half made is left. What the killed host was about to run holds its lock for a
 * moment, and a list without the lock cleans nothing. */
static struct listing list_swept(struct fixture *f, const char *instances)
{
    int64_t until = fake_now_ms() + PATIENCE_MS;
    struct listing all = list(f);

    while (count_dir(instances) != all.n && fake_now_ms() < until) {
        (void) poll(NULL, 0, 20);
        all = list(f);
    }
    assert_int_equal(count_dir(instances), all.n);
    return all;
}

static void test_killed_while_growing_it_leaves_nothing_or_whole_instances(void **state)
{
    /* From the first program that it runs to after the last instance. */
    static const int last_ms = 130, step_ms = 6;
    struct fixture *f = *state;
    char path[256], out[64];

    (void) snprintf(path, sizeof(path), "%s/local/instances", f->root);
    for (int delay_ms = 2; delay_ms < last_ms; delay_ms += step_ms) {
        struct listing all;
        uint32_t accepted;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            group_open(f, "{}");
            (void) provider->increase(f->group, next_call(f, "r-1", 1), 3, &accepted);
            _exit(0);
        }
        (void) poll(NULL, 0, delay_ms);
        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);

        group_open(f, "{}");
        all = list_swept(f, path);
        for (size_t j = 0; j < all.n; j++) {
            struct connection c;

            assert_int_equal(all.states[j], FLT_STATE_RUNNING);
            connect_to(f, all.ids[j], &c);
            assert_int_equal(ssh(&c, "true", out, sizeof(out)), 0);
            shrink(f, all.ids[j]);
        }
        wait_for_no_process(path); /* also what had not come as far as an instance */
        group_close(f);
    }
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void test_one_that_flees_from_process_to_process_is_ended(void **state)
{
    /* Each process starts the next one, leaves a byte and is gone; 20,000 of them and no more. */
    static const char script[] = "[ $1 -gt 0 ] || exit\n"
                                 "sh \"$0\" $(($1 - 1)) \"$2\" &\n"
                                 "printf . >>\"$2\"\n";
    struct fixture *f = *state;
    char file[128], trail[128], command[512], out[64];
    int64_t until = fake_now_ms() + PATIENCE_MS;
    struct connection c;
    off_t size;

    (void) snprintf(file, sizeof(file), "%s/flee", f->root);
    (void) snprintf(trail, sizeof(trail), "%s/trail", f->root);
    write_file(file, script);
    group_open(f, "{}");
    (void) grow(f, 1, "r-1");
    connect_to(f, list(f).ids[0], &c);
    (void) snprintf(command, sizeof(command), "setsid sh %s 20000 %s >/dev/null 2>&1 </dev/null &",
                    file, trail);
    assert_int_equal(ssh(&c, command, out, sizeof(out)), 0);
    while (size_of(trail) < 10 && fake_now_ms() < until)
        (void) poll(NULL, 0, 5);
    assert_true(size_of(trail) >= 10);

    shrink(f, list(f).ids[0]);
    size = size_of(trail);
    (void) poll(NULL, 0, 300); /* time to run on, for what should not be there */
    assert_int_equal(size_of(trail), size);
}

static void test_two_hosts_at_once_share_the_maximum_and_no_port(void **state)
{
    struct fixture *f = *state;
    unsigned ports[FIXTURE_IDS_MAX];
    uint32_t accepted;
    struct listing all;
    pid_t pids[2];
    int status;

    for (unsigned i = 0; i < 2; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            group_open(f, "{\"max_size\": 5}");
            (void) provider->increase(f->group, next_call(f, i ? "r-1" : "r-2", 1), 4, &accepted);
            _exit(accepted == 4 || accepted == 1 ? 0 : 1);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    group_open(f, "{}");
    all = list(f);
    assert_int_equal(all.n, 5);
    for (size_t i = 0; i < all.n; i++) {
        struct connection c;

        assert_int_equal(all.states[i], FLT_STATE_RUNNING);
        connect_to(f, all.ids[i], &c);
        ports[i] = c.port;
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(ports[i], ports[j]);
    }
}

static void test_no_descriptor_is_left_open_or_inherited(void **state)
{
    struct fixture *f = *state;
    unsigned before = count_dir("/proc/self/fd");
    bool was_open[1024];
    struct listing all;

    for (int fd = 0; fd < 1024; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    group_open(f, "{}");
    for (int fd = 0; fd < 1024; fd++)
        assert_true(was_open[fd] || fcntl(fd, F_GETFD) < 0 || fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void) grow(f, 2, "r-1");
    all = list(f);
    (void) provider->heartbeat(f->group, next_call(f, NULL, 0), all.ids[0]);
    shrink(f, all.ids[0]);
    group_close(f);
    assert_int_equal(count_dir("/proc/self/fd"), before);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_a_wrong_option_is_refused_by_name),
        TEST(test_an_unknown_option_is_a_warning),
        TEST(test_the_keys_describe_themselves),
        TEST(test_a_state_directory_that_others_can_enter_is_refused),
        TEST(test_an_older_epoch_changes_nothing),
        TEST(test_an_epoch_file_that_holds_rubbish_is_refused),
        TEST(test_a_heartbeat_of_one_that_boots_could_not_ask),
        TEST(test_a_dead_instance_is_deleted_and_makes_room),
        TEST(test_one_that_never_boots_ends_as_a_timeout),
        TEST(test_one_that_dies_takes_everything_along_unasked),
        TEST(test_a_dead_end_accepts_connections_and_never_answers),
        TEST(test_growth_fails_as_the_configuration_says),
        TEST(test_half_made_directories_are_cleaned),
        TEST(test_an_interrupted_removal_is_listed_as_such_and_goes_on),
        TEST(test_a_call_ends_when_it_is_cancelled_or_out_of_time),
        TEST(test_killed_while_growing_it_leaves_nothing_or_whole_instances),
        TEST(test_one_that_flees_from_process_to_process_is_ended),
        TEST(test_two_hosts_at_once_share_the_maximum_and_no_port),
        TEST(test_no_descriptor_is_left_open_or_inherited),
    };
    int code = fixture_load(argc, argv);

    return code != 0 ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
