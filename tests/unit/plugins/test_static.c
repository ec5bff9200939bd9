/* tests/unit/plugins/test_static.c - plugins/static: which machines are instances, how they are
 * reached, and what a wrong configuration is told. argv: the plugin.
 */

#include "tests/fakes/host_fake.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define TWO                                                                                        \
    "{\"instances\": {\"a\": {\"internal_addr\": \"10.0.0.1\"}, \"b\": {\"internal_addr\": "       \
    "\"10.0.0.2\"}}}"

static const struct flt_provider *provider;

struct fixture {
    char root[64];
    struct fake_call call;
    flt_group *group;
    char text[1024]; /* what sinks were told */
};

static flt_call *next_call(struct fixture *f, const char *request_id, int64_t epoch)
{
    fake_call_done(&f->call);
    fake_call_init(&f->call, f->root, 5000);
    f->call.request_id = request_id;
    f->call.epoch = epoch;
    f->text[0] = '\0';
    return fake_call_ptr(&f->call);
}

static int32_t try_open(struct fixture *f, const char *config, const char *connector)
{
    provider->close(f->group);
    f->group = NULL;
    return provider->open(&fake_host, next_call(f, NULL, 0), config, connector, &f->group);
}

static void group_open(struct fixture *f, const char *config)
{
    if (try_open(f, config, "{}") != FLT_OK)
        fail_msg("open: %s", f->call.fail_text);
}

static int32_t grow(struct fixture *f, uint32_t n, const char *request_id, int64_t epoch,
                    uint32_t *accepted)
{
    return provider->increase(f->group, next_call(f, request_id, epoch), n, accepted);
}

static int32_t on_id(void *arg, const char *id)
{
    size_t len = strlen(arg);

    (void) snprintf((char *) arg + len, sizeof(((struct fixture *) NULL)->text) - len, "%s ", id);
    return 0;
}

static int32_t shrink(struct fixture *f, const char *id, int64_t epoch)
{
    return provider->decrease(f->group, next_call(f, "shrink", epoch), &id, 1, on_id, f->text);
}

static int32_t on_instance(void *arg, const struct flt_instance *instance)
{
    assert_int_equal(instance->state, FLT_STATE_RUNNING);
    return on_id(arg, instance->id);
}

static void expect_list(struct fixture *f, const char *ids)
{
    assert_int_equal(provider->list(f->group, next_call(f, NULL, 0), on_instance, f->text), FLT_OK);
    assert_string_equal(f->text, ids);
}

static int32_t on_connect(void *arg, const struct flt_connect_info *info)
{
    (void) snprintf(arg, 1024, "%s %s %s %u %s %s %s %s %s %u %s %s", info->protocol ?: "-",
                    info->address ?: "-", info->external_address ?: "-", info->port,
                    info->username ?: "-", info->password ?: "-", info->key ?: "-", info->os ?: "-",
                    info->arch ?: "-", info->n_host_keys,
                    info->n_host_keys ? info->host_keys[0].type : "-",
                    info->n_host_keys ? info->host_keys[0].key : "-");
    return 0;
}

static int32_t reach(struct fixture *f, const char *id)
{
    return provider->connect_info(f->group, next_call(f, NULL, 0), id, on_connect, f->text);
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));

    assert_non_null(f);
    (void) snprintf(f->root, sizeof(f->root), "/tmp/flotilla-static-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    fake_call_init(&f->call, f->root, 5000);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    provider->close(f->group);
    fake_call_done(&f->call);
    assert_int_equal(fs_remove_tree(AT_FDCWD, f->root), 0);
    free(f);
    return 0;
}

static void test_growth_claims_machines_and_removal_gives_them_back(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 0;

    group_open(f, TWO);
    assert_int_equal(f->call.max_size, 2);
    assert_string_equal(f->call.identity, "static group static");
    expect_list(f, "");
    assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
    expect_list(f, "a ");
    assert_int_equal(reach(f, "b"), FLT_E_NOT_FOUND);
    assert_int_equal(grow(f, 2, "r-2", 5, &n), FLT_E_QUOTA);
    assert_int_equal(n, 1);
    assert_string_equal(f->call.fail_text,
                        "all 2 machines of group 'static' are in use or on order");
    expect_list(f, "a b ");
    assert_int_equal(shrink(f, "a", 5), FLT_OK);
    assert_string_equal(f->text, "a ");
    expect_list(f, "b ");
    assert_int_equal(shrink(f, "never-heard-of", 5), FLT_OK);
    assert_int_equal(grow(f, 1, "r-3", 5, &n), FLT_OK);
    expect_list(f, "a b ");
}

static void test_a_repeated_request_is_the_same_request(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 0;

    group_open(f, TWO);
    assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
    group_open(f, TWO); /* as after a crash of the worker */
    assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
    assert_int_equal(n, 1);
    expect_list(f, "a ");
}

static void test_an_older_epoch_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 7;

    group_open(f, TWO);
    assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
    assert_int_equal(grow(f, 1, "r-2", 4, &n), FLT_E_STALE);
    assert_int_equal(n, 0);
    assert_int_equal(shrink(f, "a", 4), FLT_E_STALE);
    assert_string_equal(f->text, "");
    expect_list(f, "a ");
}

static void test_a_machine_that_left_the_configuration_is_gone(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 0;

    group_open(f, TWO);
    assert_int_equal(grow(f, 2, "r-1", 5, &n), FLT_OK);
    group_open(f, "{\"instances\": {\"b\": {\"internal_addr\": \"10.0.0.2\"}}}");
    expect_list(f, "b ");
}

static void test_damaged_claims_are_nobodys_guess(void **state)
{
    static const char *const texts[] = { "{", "[]", "{\"epoch\": 1, \"claims\": {\"a\": 1}}",
                                         "{\"claims\": {}}" };
    struct fixture *f = *state;
    uint32_t n = 0;

    group_open(f, TWO);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        autofree char *path = mem_printf("%s/static/claims.json", f->root);
        autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(fs_write_all(fd, texts[i], strlen(texts[i])), 0);
        assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_E_INTERNAL);
        assert_non_null(strstr(f->call.fail_text, "claims.json is damaged"));
        assert_int_equal(provider->list(f->group, next_call(f, NULL, 0), on_instance, f->text),
                         FLT_E_INTERNAL);
    }
}

static void test_a_change_waits_for_the_lock_until_it_is_cancelled(void **state)
{
    struct fixture *f = *state;
    autofree char *path = mem_printf("%s/static/lock", f->root);
    autoclose int fd = -1;
    flt_call *call;
    uint32_t n = 0;

    group_open(f, TWO);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    call = next_call(f, "r-1", 5);
    f->call.deadline_ms = fake_now_ms() + 50;
    assert_int_equal(provider->increase(f->group, call, 1, &n), FLT_E_TIMEOUT);
    call = next_call(f, "r-1", 5);
    fake_call_cancel(&f->call);
    assert_int_equal(provider->increase(f->group, call, 1, &n), FLT_E_CANCELLED);
    assert_int_equal(flock(fd, LOCK_UN), 0);
    assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
}

static void test_a_machine_is_reached_as_it_is_described(void **state)
{
    static const struct {
        const char *why, *machine, *connector, *want;
    } cases[] = {
        { "a host alone", "\"internal_addr\": \"build1.example\"", "{}",
          "- build1.example - 0 - - - - - 0 - -" },
        { "as upstream's own test has it",
          "\"username\": \"root\", \"password\": \"pw\", \"timeout\": \"1m\", \"external_addr\": "
          "\"127.0.0.1:2201\", \"internal_addr\": \"127.0.0.1:2201\"",
          "{}", "- 127.0.0.1 127.0.0.1 2201 root pw - - - 0 - -" },
        { "the port is that of the address which is taken",
          "\"internal_addr\": \"10.0.0.1:1\", \"external_addr\": \"192.0.2.1:2\"", "{}",
          "- 10.0.0.1 192.0.2.1 1 - - - - - 0 - -" },
        { "with use_external_addr it is the other",
          "\"internal_addr\": \"10.0.0.1:1\", \"external_addr\": \"192.0.2.1:2\"",
          "{\"use_external_addr\": true}", "- 10.0.0.1 192.0.2.1 2 - - - - - 0 - -" },
        { "protocol_port fills in", "\"external_addr\": \"192.0.2.1\", \"protocol_port\": 2222",
          "{}", "- - 192.0.2.1 2222 - - - - - 0 - -" },
        { "an address's own port comes first",
          "\"external_addr\": \"192.0.2.1:22\", \"protocol_port\": 2222", "{}",
          "- - 192.0.2.1 22 - - - - - 0 - -" },
        { "IPv6 without a port", "\"internal_addr\": \"2001:db8::1\"", "{}",
          "- 2001:db8::1 - 0 - - - - - 0 - -" },
        { "IPv6 with a port", "\"internal_addr\": \"[2001:db8::1]:99\"", "{}",
          "- 2001:db8::1 - 99 - - - - - 0 - -" },
        { "all the rest",
          "\"internal_addr\": \"h\", \"protocol\": \"ssh\", \"os\": \"linux\", \"arch\": "
          "\"arm64\", \"key\": \"PEM\", \"host_keys\": [\"ssh-ed25519 AAAA root@h\"]",
          "{}", "ssh h - 0 - - PEM linux arm64 1 ssh-ed25519 AAAA" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *config = mem_printf("{\"instances\": {\"m\": {%s}}}", cases[i].machine);
        uint32_t n = 0;

        if (try_open(f, config, cases[i].connector) != FLT_OK)
            fail_msg("%s: %s", cases[i].why, f->call.fail_text);
        assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
        assert_int_equal(reach(f, "m"), FLT_OK);
        if (strcmp(f->text, cases[i].want) != 0)
            fail_msg("%s: %s", cases[i].why, f->text);
    }
}

static void test_a_key_file_is_read_when_it_is_needed(void **state)
{
    struct fixture *f = *state;
    autofree char *path = mem_printf("%s/key", f->root);
    autofree char *config = mem_printf(
        "{\"instances\": {\"m\": {\"internal_addr\": \"h\", \"key_path\": \"%s\"}}}", path);
    autoclose int fd = -1;
    uint32_t n = 0;

    group_open(f, config);
    assert_int_equal(grow(f, 1, "r-1", 5, &n), FLT_OK);
    assert_int_equal(reach(f, "m"), FLT_E_UNHEALTHY);
    assert_non_null(strstr(f->call.fail_text, "plugin_config.instances.m.key_path: "));
    assert_non_null(strstr(f->call.fail_text, "No such file"));
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fs_write_all(fd, "SECRET", 6), 0);
    assert_int_equal(reach(f, "m"), FLT_OK);
    assert_string_equal(f->text, "- h - 0 - - SECRET - - 0 - -");
    assert_int_equal(ftruncate(fd, 64 * 1024), 0);
    assert_int_equal(reach(f, "m"), FLT_E_UNHEALTHY);
    assert_non_null(strstr(f->call.fail_text, "the file is too long to be a key"));
}

static void test_a_wrong_configuration_is_named(void **state)
{
    static const char *const cases[][2] = {
        { "[]", "plugin_config is not a JSON object" },
        { "{}", "plugin_config.instances must be a table" },
        { "{\"instances\": {}}", "plugin_config.instances must be a table" },
        { "{\"instances\": {\"a\": 1}}", "plugin_config.instances.a must be a table" },
        { "{\"instances\": {\"a b\": {}}}", "unlike 'a b'" },
        { "{\"instances\": {\"a\": {}}}", "instances.a needs internal_addr or external_addr" },
        { "{\"instances\": {\"a\": {\"internal_addr\": 1}}}",
          "instances.a.internal_addr must be a string" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \"h:0\"}}}", "a port from 1 to 65535" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \"h:65536\"}}}", "a port from 1 to 65535" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \"[::1\"}}}", "[IPv6 address]:port" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \":22\"}}}", "must be an address" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \"h\", \"protocol_port\": 65536}}}",
          "instances.a.protocol_port must be an integer from 0 to 65535" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \"h\", \"protocol\": \"telnet\"}}}",
          "instances.a.protocol must be \"ssh\"" },
        { "{\"instances\": {\"a\": {\"internal_addr\": \"h\", \"host_keys\": [\"AAAA\"]}}}",
          "instances.a.host_keys must be a list" },
        { "{\"name\": \"../x\", \"instances\": {\"a\": {\"internal_addr\": \"h\"}}}",
          "plugin_config.name must be" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(try_open(f, cases[i][0], "{}"), FLT_E_INVALID);
        if (!strstr(f->call.fail_text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], f->call.fail_text);
    }
}

static void test_what_is_not_acted_on_is_said(void **state)
{
    struct fixture *f = *state;

    group_open(f, "{\"instances\": {\"a\": {\"internal_addr\": \"h\", \"timeout\": \"1m\", "
                  "\"usrname\": \"x\"}}, \"nane\": 1}");
    assert_non_null(strstr(f->call.log, "instances.a.timeout is not used"));
    assert_non_null(strstr(f->call.log, "instances.a has an unknown key 'usrname'"));
    assert_non_null(strstr(f->call.log, "plugin_config has an unknown key 'nane'"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_growth_claims_machines_and_removal_gives_them_back),
        TEST(test_a_repeated_request_is_the_same_request),
        TEST(test_an_older_epoch_changes_nothing),
        TEST(test_a_machine_that_left_the_configuration_is_gone),
        TEST(test_damaged_claims_are_nobodys_guess),
        TEST(test_a_change_waits_for_the_lock_until_it_is_cancelled),
        TEST(test_a_machine_is_reached_as_it_is_described),
        TEST(test_a_key_file_is_read_when_it_is_needed),
        TEST(test_a_wrong_configuration_is_named),
        TEST(test_what_is_not_acted_on_is_said),
    };
    const struct flt_provider *(*entry)(void) = NULL;
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    if (library)
        *(void **) &entry = dlsym(library, FLT_PROVIDER_ENTRY);
    if (!entry) {
        (void) fprintf(stderr, "usage: test_static PLUGIN: %s\n", argc > 1 ? dlerror() : "none");
        return 1;
    }
    provider = entry();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
