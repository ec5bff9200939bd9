/* tests/unit/nestingd/test_qemu_scripts.c - mirrors nestingd/qemu/scripts.c: the scripts as a shell runs them, with a
 * folder in place of a guest's /etc and /run, and the programs that only root may run played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/process.h"
#include "nestingd/qemu/agent.h"

enum { FILE_MAX = 4096 };

static char guest[64];
static char *path_before;

static char *at(const char *name)
{
    return mem_printf("%s/%s", guest, name);
}

static void put(const char *name, mode_t mode, const char *text)
{
    autofree char *path = at(name);
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_int_equal(fs_write_all(fd, text, strlen(text)), 0);
}

/* "" when it is not there. */
static char *get(const char *name)
{
    autofree char *path = at(name);
    autobuf struct buf text = BUF_INIT;

    (void) fs_read_file(AT_FDCWD, path, FILE_MAX, &text, NULL);
    return buf_take(&text);
}

/* A program that leaves its arguments in a file of its name. */
static void play(const char *name, int status)
{
    autofree char *path = mem_printf("bin/%s", name);
    autofree char *text =
        mem_printf("#!/bin/sh\necho \"$@\" >'%s/%s'\nexit %d\n", guest, name, status);

    put(path, 0700, text);
}

static int set_up(void **unused)
{
    static const char *const folders[] = { "bin", "etc", "etc/ssh", "etc/flotilla", "run" };
    autofree char *path = NULL;

    (void) str_copy(guest, sizeof(guest), "/tmp/test-scripts-XXXXXX");
    if (!mkdtemp(guest))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        autofree char *folder = at(folders[i]);

        if (mkdir(folder, 0700) < 0)
            return -1;
    }
    path_before = mem_strdup(getenv("PATH"));
    path = mem_printf("%s/bin:%s", guest, path_before);
    play("date", 0);
    play("perl", 0);
    return setenv("PATH", path, 1);
}

static int tear_down(void **unused)
{
    (void) setenv("PATH", path_before, 1);
    free(path_before);
    return fs_remove_tree(AT_FDCWD, guest);
}

/* Each path of the guest's becomes one in the folder. */
static char *moved(const char *script)
{
    static const char *const roots[] = { "/etc/", "/run/", "/dev/urandom" };
    autobuf struct buf out = BUF_INIT;

    for (const char *c = script; *c; c++) {
        for (size_t i = 0; i < ARRAY_LEN(roots); i++)
            if (str_starts(c, roots[i]))
                buf_add_str(&out, guest);
        if (str_starts(c, "/dev/urandom")) {
            buf_add_str(&out, "/seed");
            c += strlen("/dev/urandom");
        }
        buf_add_char(&out, *c);
    }
    return buf_take(&out);
}

static int run(const char *script, struct error *err)
{
    autofree char *text = moved(script);
    const char *const argv[] = { "/bin/sh", "-c", text, "sh", "1795705200", "5eed", NULL };
    struct call call = call_fresh(INT64_MAX);

    return process_run(argv, &call, NULL, NULL, err);
}

static void assert_ok(int r, const struct error *err)
{
    if (r < 0)
        fail_msg("%s", err->message);
}

static void test_clock_and_seed_come_from_the_host(void **unused)
{
    autofree char *date = NULL, *seed = NULL, *perl = NULL;
    struct error err = { 0 };

    assert_ok(run(refresh_script, &err), &err);
    date = get("date");
    seed = get("seed");
    perl = get("perl");
    assert_string_equal(date, "-u -s @1795705200\n");
    assert_string_equal(seed, "5eed\n");
    assert_non_null(strstr(perl, "ioctl(F, 0x5207, 0)"));
}

static void test_python_serves_where_there_is_no_perl(void **unused)
{
    autofree char *perl = at("bin/perl"), *bin = at("bin"), *python = NULL;
    struct error err = { 0 };

    assert_int_equal(unlink(perl), 0);
    assert_int_equal(setenv("PATH", bin, 1), 0);
    assert_int_equal(run(refresh_script, &err), -EIO);
    assert_non_null(strstr(err.message, "neither perl nor python3"));
    play("python3", 0);
    assert_ok(run(refresh_script, &err), &err);
    python = get("python3");
    assert_non_null(strstr(python, "0x5207"));
}

static void test_host_keys_and_machine_id_are_new_and_the_server_is_told(void **unused)
{
    autofree char *key = NULL, *public = NULL, *id = NULL, *seen = NULL, *pid = NULL;
    autofree char *left = at("etc/ssh/ssh_host_ed25519_key.new");
    struct error err = { 0 };
    int status = 0;
    pid_t server = fork();

    if (server == 0)
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (server == 0)
        (void) pause();
    pid = mem_printf("%d\n", (int) server);
    put("run/sshd.pid", 0600, pid);
    put("etc/machine-id", 0600, "0123456789abcdef0123456789abcdef\n");
    put("etc/ssh/ssh_host_ed25519_key", 0600, "old\n");
    put("etc/ssh/ssh_host_ed25519_key.new", 0600, "of one that was interrupted\n");
    put("etc/flotilla/refresh", 0700,
        "#!/bin/sh\ncat \"${0%/*}/../ssh/ssh_host_ed25519_key.pub\" >\"${0%/*}/seen\"\n");
    assert_ok(run(refresh_script, &err), &err);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
    key = get("etc/ssh/ssh_host_ed25519_key");
    public = get("etc/ssh/ssh_host_ed25519_key.pub");
    seen = get("etc/flotilla/seen");
    id = get("etc/machine-id");
    assert_true(str_starts(key, "-----BEGIN OPENSSH PRIVATE KEY"));
    assert_true(str_starts(public, "ssh-ed25519 "));
    assert_string_equal(seen, public);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    assert_string_not_equal(id, "0123456789abcdef0123456789abcdef\n");
}

static void test_what_the_image_cannot_do_is_a_failure(void **unused)
{
    struct error err = { 0 };

    put("etc/flotilla/refresh", 0700, "#!/bin/sh\necho no keys >&2\nexit 3\n");
    assert_int_equal(run(refresh_script, &err), -EIO);
    assert_string_equal(err.message, "exit status 3 (no keys)");
    play("date", 1);
    assert_int_equal(run(refresh_script, &err), -EIO);
    play("date", 0);
    play("perl", 22);
    assert_int_equal(run(refresh_script, &err), -EIO);
}

static void test_cloud_init_is_waited_for(void **unused)
{
    static const struct {
        const char *why;
        int status, want;
    } cases[] = { { "done", 0, 0 },
                  { "failed", 1, -EIO },
                  { "done with errors that it got over", 2, 0 } };
    autofree char *bin = at("bin");
    struct error err = { 0 };

    assert_int_equal(setenv("PATH", bin, 1), 0);
    assert_ok(run(settle_script, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *asked = NULL;

        play("cloud-init", cases[i].status);
        if (run(settle_script, &err) != cases[i].want)
            fail_msg("%s: '%s'", cases[i].why, err.message);
        asked = get("cloud-init");
        assert_string_equal(asked, "status --wait\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clock_and_seed_come_from_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_python_serves_where_there_is_no_perl, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_host_keys_and_machine_id_are_new_and_the_server_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_image_cannot_do_is_a_failure, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cloud_init_is_waited_for, set_up, tear_down),
    };

    (void) signal(SIGHUP, SIG_DFL); /* a run under nohup ignores it, and so would the server */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
