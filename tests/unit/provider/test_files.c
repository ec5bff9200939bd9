/* tests/unit/provider/test_files.c - mirrors core/provider/files.c: what whoever has taken over a provider would open,
 * each time in a process of its own, before and behind the rules (hardening.md section 5, X5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/landlock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/files.h"
#include "tests/harness/harness.h"

/* A home and a state directory, as they lie on a machine. */
static char *world;
static const char *plugin;

static char *at(const char *name)
{
    return harness_path(world, name);
}

static void put(const char *name)
{
    autofree char *path = at(name), *folder = mem_strdup(path);

    assert_non_null(folder);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(fs_mkdirs(folder, 0700, NULL), 0);
    harness_write(world, name, "secret");
}

/* As a profile does. */
static void mention(const char *file, const char *name)
{
    autofree char *path = at(name),
                  *text = mem_printf("[default]\nweb_identity_token_file=%s\n", path);

    assert_non_null(text);
    harness_write(world, file, text);
}

static int set_up(void **unused)
{
    static const char *const files[] = {
        "home/state/ledger.db",
        "home/state/spool/1.log",
        "home/state/other/orders.json",
        "home/config.toml",
        "home/.aws/credentials",
        "home/.ssh/id_ed25519",
        "named/key.json",
        "work/file",
        "work/renewed",
        "token",
        "elsewhere",
    };
    autofree char *home = NULL, *token = NULL;

    (void) unused;
    world = harness_temp_dir();
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        put(files[i]);
    put("mentioned");
    mention("home/.aws/config", "mentioned");
    home = at("home");
    token = at("token");
    assert_int_equal(setenv("HOME", home, 1), 0);
    assert_int_equal(setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token, 1), 0);
    return 0;
}

static int tear_down(void **unused)
{
    (void) unused;
    harness_remove_dir(world);
    return 0;
}

static json_t *load_request(void)
{
    autofree char *state = at("home/state"), *config = at("home/config.toml"),
                  *named = at("named/key.json"), *work = at("work"), *home = at("home"),
                  *renewed = at("work/renewed"), *text = NULL;
    json_t *request = json_frame("load");

    /* The home, too: of a folder that is named all but what is hidden is allowed. */
    text = mem_printf("{\"key\": {\"file\": [\"%s\", \"%s\"]}, \"work\": \"%s\", \"home\": \"%s\"}",
                      named, renewed, work, home);
    assert_non_null(text);
    assert_int_equal(json_add_str(request, "file", plugin), 0);
    assert_int_equal(json_add_str(request, "state_dir", state), 0);
    assert_int_equal(json_add_str(request, "config_file", config), 0);
    assert_int_equal(json_add_str(request, "plugin_config", text), 0);
    return request;
}

static void confine(void)
{
    autojson json_t *request = load_request();
    struct error err = { 0 };

    if (harden_process() < 0 || files_confine(request, &err) < 0)
        _exit(255);
}

/* 0 or the errno of opening it. */
static int outcome(bool confined, const char *path, int flags)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        if (confined)
            confine();
        _exit(open(path, flags | O_CLOEXEC, 0600) < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_provider_opens_what_is_its_own_and_nothing_else(void **unused)
{
    static const struct {
        const char *name; /* below the world, unless absolute */
        int flags, want;
    } rows[] = {
        { "home/state/ledger.db", O_RDONLY, EACCES },
        { "home/state/ledger.db", O_WRONLY, EACCES },
        { "home/state/spool/1.log", O_RDONLY, EACCES },
        { "home/state/other/orders.json", O_RDONLY, EACCES },
        { "home/state/new", O_WRONLY | O_CREAT, EACCES },
        { "home/config.toml", O_RDONLY, EACCES },
        { "elsewhere", O_RDONLY, EACCES },
        { "named/key.json", O_WRONLY, EACCES },
        { "token", O_WRONLY, EACCES },
        { "/etc/shadow", O_RDONLY, EACCES },
        { "/proc/1/environ", O_RDONLY, EACCES },
        { "home/.aws/credentials", O_RDONLY, 0 },
        { "mentioned", O_RDONLY, 0 },
        { "mentioned", O_WRONLY, EACCES },
        { "named/key.json", O_RDONLY, 0 },
        { "work/file", O_RDWR, 0 },
        { "work/new", O_WRONLY | O_CREAT, 0 },
        { "token", O_RDONLY, 0 },
        { "home/state/moody/new", O_WRONLY | O_CREAT, 0 },
        { "/etc/passwd", O_RDONLY, 0 },
        { "/usr/bin/env", O_RDONLY, 0 },
        { "/dev/null", O_RDWR, 0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *path = *rows[i].name == '/' ? mem_strdup(rows[i].name) : at(rows[i].name);
        int got = outcome(true, path, rows[i].flags);

        if (got != rows[i].want || (*rows[i].name != '/' && !(rows[i].flags & O_CREAT) &&
                                    outcome(false, path, rows[i].flags) != 0))
            fail_msg("%s: %s", rows[i].name, strerror(got));
    }
}

static int replace_one(void)
{
    autofree char *old = at("work/renewed"), *new = at("work/new");

    confine();
    if (files_outdated())
        return 1;
    harness_write(world, "work/new", "renewed");
    return rename(new, old) < 0 || !files_outdated();
}

/* As whoever renews a token does it: by another file of its name. */
static void test_a_file_that_is_replaced_outdates_the_rules(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(replace_one), 0);
}

/* What a plugin calls itself is its own word. */
static void test_no_name_makes_the_hosts_files_a_plugins_folder(void **unused)
{
    static const struct {
        const char *name;
        int want;
    } rows[] = {
        { "moody", 0 },  { "moody", 0 },    { "ledger.db", -ENOTDIR }, { "spool", -EINVAL },
        { "", -EINVAL }, { "..", -EINVAL }, { "a/../b", -EINVAL },
    };
    autofree char *state = at("home/state");

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *own = NULL;
        struct error err = { 0 };
        int got = files_own_dir(state, rows[i].name, &own, &err);

        if (got != rows[i].want || (got < 0) != (own == NULL) ||
            (got < 0) != !str_empty(err.message))
            fail_msg("'%s': %d, %s", rows[i].name, got, err.message);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_provider_opens_what_is_its_own_and_nothing_else),
        cmocka_unit_test(test_a_file_that_is_replaced_outdates_the_rules),
        cmocka_unit_test(test_no_name_makes_the_hosts_files_a_plugins_folder),
    };

    if (argc < 2)
        return 2;
    if (landlock_level() == 0)
        return 77;
    plugin = argv[1];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
