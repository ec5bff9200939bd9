/* tests/abi/test_fixtures.c - which plugin files today's host takes, and the exact sentence with
 * which it refuses the others.
 *
 * argv[1] is the directory of the fixtures. Each is copied into a private directory, because a build
 * directory may be writable by others, which is a reason to refuse of its own. */
#include <fcntl.h>
#include <flotilla/provider.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"

#include <cmocka.h>

#define FIXTURE_MAX ((size_t) 4 * 1024 * 1024)

static const char *fixtures;
static char root[] = "/tmp/flotilla-abi-XXXXXX";

/* A new file each time: the old one may be loaded. */
static void write_file(const char *name, const void *data, size_t len)
{
    autofree char *path = mem_printf("%s/%s", root, name);
    autoclose int fd = -1;

    (void) unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, data, len), 0);
}

/* The private copy of a fixture, cut to `max` bytes. */
static char *install(const char *fixture, size_t max)
{
    autofree char *from = mem_printf("%s/%s.so", fixtures, fixture);
    autofree char *name = mem_printf("%s.so", fixture);
    autobuf struct buf data = BUF_INIT;
    struct error err = { 0 };

    if (fs_read_file(AT_FDCWD, from, FIXTURE_MAX, &data, &err) < 0)
        fail_msg("%s", err.message);
    write_file(name, buf_str(&data), MIN(data.len, max));
    return mem_printf("%s/%s", root, name);
}

static void expect_refused(const char *file, const char *sentence)
{
    autofree char *want = mem_printf("%s%s", file, sentence);
    struct flt_provider provider = { .magic = 42 };
    struct error err = { 0 };

    assert_true(plugin_load_provider(file, &provider, &err) < 0);
    assert_string_equal(err.message, want);
    assert_int_equal(provider.magic, 42); /* untouched on failure */
}

static void expect_loaded(const char *fixture, struct flt_provider *ret)
{
    autofree char *file = install(fixture, FIXTURE_MAX);
    struct error err = { 0 };

    if (plugin_load_provider(file, ret, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(ret->name, "fixture");
}

static void test_a_plugin_of_1_0_loads(void **state)
{
    struct flt_provider provider;

    (void) state;
    expect_loaded("sound", &provider);
    assert_int_equal(provider.struct_size, sizeof(struct flt_provider));
}

static int32_t count(void *arg, const struct flt_instance *instance)
{
    assert_string_equal(instance->id, "fixture-1");
    ++*(unsigned *) arg;
    return 0;
}

static void test_the_missing_tail_of_an_older_descriptor_reads_as_null(void **state)
{
    struct flt_provider provider;
    flt_group *group = NULL;
    unsigned n = 0;

    (void) state;
    expect_loaded("old", &provider);
    assert_null(provider.heartbeat);
    assert_null(provider.suspend);
    assert_null(provider.resume);
    assert_null(provider.signals);
    assert_null(provider.config_keys);
    assert_int_equal(provider.open(NULL, NULL, "{}", "{}", &group), FLT_OK);
    assert_int_equal(provider.list(group, NULL, count, &n), FLT_OK);
    assert_int_equal(n, 1);
    provider.close(group);
}

static void test_a_descriptor_from_the_future_loads(void **state)
{
    struct flt_provider provider;

    (void) state;
    expect_loaded("future", &provider);
    assert_true(provider.struct_size > sizeof(struct flt_provider));
    assert_int_equal(provider.abi_minor, 7);
    assert_true(provider.capabilities & (uint64_t) 1 << 40);
}

static void test_refusals_say_both_values(void **state)
{
    static const struct {
        const char *fixture, *sentence;
    } rows[] = {
        { "small", ": descriptor has 80 bytes, 1.0 has 88" },
        { "wrong_magic", ": not a flotilla provider: magic is 0x12345678, not 0x464c5450" },
        { "needs_newer", ": needs ABI 1.9, this host has 1.1" },
        { "null_descriptor", ": its entry function returned NULL" },
        { "without_name", ": the required member 'name' is missing" },
        { "without_version", ": the required member 'version' is missing" },
        { "without_open", ": the required member 'open' is missing" },
        { "without_close", ": the required member 'close' is missing" },
        { "without_list", ": the required member 'list' is missing" },
        { "without_increase", ": the required member 'increase' is missing" },
        { "without_decrease", ": the required member 'decrease' is missing" },
        { "without_connect_info", ": the required member 'connect_info' is missing" },
        { "claims_heartbeat", ": claims heartbeat, but the slot is NULL" },
        { "claims_suspend_resume", ": claims suspend and resume, but a slot is NULL" },
        { "claims_signals", ": claims signals, but the slot is NULL" },
        { "claims_config_keys", ": claims config_keys, but the slot is NULL" },
        /* From here on none of the file's code may run: their constructors abort. */
        { "only_v2", ": has flotilla_provider_v2, this host knows flotilla_provider_v1" },
        { "other_kind",
          ": is a plugin of another kind: has flotilla_isolation_v1, wanted flotilla_provider_v1" },
        { "no_entry", ": does not export flotilla_provider_v1" },
        { "executable_stack", ": wants an executable stack; link it with -Wl,-z,noexecstack" },
        { "text_relocation", ": has text relocations; build it with -fPIC" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *file = install(rows[i].fixture, FIXTURE_MAX);

        expect_refused(file, rows[i].sentence);
    }
}

static int32_t count_vm(void *arg, const struct flt_vm *vm)
{
    assert_string_equal(vm->id, "vm-1");
    ++*(unsigned *) arg;
    return 0;
}

static void test_isolations_of_1_0_old_and_from_the_future_load(void **state)
{
    static const char *const names[] = { "isolation", "isolation_old", "isolation_future" };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        autofree char *file = install(names[i], FIXTURE_MAX);
        struct flt_isolation isolation;
        struct error err = { 0 };
        flt_vms *vms = NULL;
        unsigned n = 0;

        if (plugin_load_isolation(file, &isolation, &err) < 0)
            fail_msg("%s", err.message);
        assert_null(isolation.shutdown);
        assert_int_equal(isolation.open(NULL, NULL, "{}", &vms), FLT_OK);
        assert_int_equal(isolation.list(vms, NULL, count_vm, &n), FLT_OK);
        assert_int_equal(n, 1);
        isolation.close(vms);
    }
}

static void test_refusals_of_isolations_say_both_values(void **state)
{
    static const struct {
        const char *fixture, *sentence;
    } rows[] = {
        { "isolation_small", ": descriptor has 72 bytes, 1.0 has 80" },
        { "isolation_wrong_magic",
          ": not a flotilla isolation: magic is 0x464c5450, not 0x464c5449" },
        { "isolation_needs_newer", ": needs ABI 1.9, this host has 1.0" },
        { "isolation_without_name", ": the required member 'name' is missing" },
        { "isolation_without_version", ": the required member 'version' is missing" },
        { "isolation_without_open", ": the required member 'open' is missing" },
        { "isolation_without_close", ": the required member 'close' is missing" },
        { "isolation_without_create", ": the required member 'create' is missing" },
        { "isolation_without_remove", ": the required member 'remove' is missing" },
        { "isolation_without_list", ": the required member 'list' is missing" },
        { "isolation_claims_shutdown", ": claims shutdown, but the slot is NULL" },
        { "isolation_only_v2",
          ": has flotilla_isolation_v2, this host knows flotilla_isolation_v1" },
        { "sound",
          ": is a plugin of another kind: has flotilla_provider_v1, wanted flotilla_isolation_v1" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *file = install(rows[i].fixture, FIXTURE_MAX);
        autofree char *want = mem_printf("%s%s", file, rows[i].sentence);
        struct flt_isolation isolation = { .magic = 42 };
        struct error err = { 0 };

        assert_true(plugin_load_isolation(file, &isolation, &err) < 0);
        assert_string_equal(err.message, want);
        assert_int_equal(isolation.magic, 42);
    }
}

static void test_the_kind_of_a_file_is_known_before_it_is_loaded(void **state)
{
    static const struct {
        const char *fixture;
        enum plugin_kind kind;
    } rows[] = { { "isolation", PLUGIN_ISOLATION },
                 { "other_kind", PLUGIN_ISOLATION }, /* its constructor would abort */
                 { "sound", PLUGIN_PROVIDER },
                 { "no_entry", PLUGIN_PROVIDER } };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *file = install(rows[i].fixture, FIXTURE_MAX);
        enum plugin_kind kind;
        struct error err = { 0 };

        if (plugin_find_kind(file, &kind, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(kind, rows[i].kind);
    }
}

static void test_files_that_are_no_shared_object_are_refused(void **state)
{
    static const char script[] = "#!/bin/sh\n# long enough to hold an ELF header of 64 bytes, were "
                                 "it one\n";
    autofree char *text = mem_printf("%s/text.so", root);
    autofree char *cut = install("sound", 2000), *tiny = NULL;

    (void) state;
    write_file("text.so", script, sizeof(script) - 1);
    expect_refused(text, ": not a shared object: no ELF file");
    expect_refused(cut, ": it has no dynamic section");
    tiny = install("sound", 20);
    expect_refused(tiny, ": not a shared object: no regular file of a sane size");
}

static void test_a_file_that_others_can_write_is_refused(void **state)
{
    autofree char *file = install("sound", FIXTURE_MAX);

    (void) state;
    assert_int_equal(chmod(file, 0664), 0);
    expect_refused(file, " can be written by others (mode 664); chmod go-w it");
    assert_int_equal(chmod(file, 0602), 0);
    expect_refused(file, " can be written by others (mode 602); chmod go-w it");
}

static void test_a_file_in_a_directory_that_others_can_write_is_refused(void **state)
{
    autofree char *file = install("sound", FIXTURE_MAX);
    struct flt_provider provider;
    autofree char *want = mem_printf("%s can be written by others (mode 770); chmod go-w it", root);
    struct error err = { 0 };

    (void) state;
    assert_int_equal(chmod(root, 0770), 0);
    assert_true(plugin_load_provider(file, &provider, &err) < 0);
    assert_int_equal(chmod(root, 0700), 0);
    assert_string_equal(err.message, want);
}

static void test_a_link_may_not_leave_its_directory(void **state)
{
    autofree char *file = install("sound", FIXTURE_MAX);
    autofree char *dir = mem_printf("%s/links", root), *outside = mem_printf("%s/out.so", dir);
    autofree char *inside = mem_printf("%s/inside.so", root);
    autofree char *want = mem_printf(" is a link that leaves its directory, to %s", file);
    struct flt_provider provider;
    struct error err = { 0 };

    (void) state;
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(symlink(file, outside), 0);
    expect_refused(outside, want);
    assert_int_equal(symlink("sound.so", inside), 0);
    if (plugin_load_provider(inside, &provider, &err) < 0)
        fail_msg("%s", err.message);
}

static int make_root(void **state)
{
    (void) state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void) state;
    return fs_remove_tree(AT_FDCWD, root);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plugin_of_1_0_loads),
        cmocka_unit_test(test_the_missing_tail_of_an_older_descriptor_reads_as_null),
        cmocka_unit_test(test_a_descriptor_from_the_future_loads),
        cmocka_unit_test(test_refusals_say_both_values),
        cmocka_unit_test(test_isolations_of_1_0_old_and_from_the_future_load),
        cmocka_unit_test(test_refusals_of_isolations_say_both_values),
        cmocka_unit_test(test_the_kind_of_a_file_is_known_before_it_is_loaded),
        cmocka_unit_test(test_files_that_are_no_shared_object_are_refused),
        cmocka_unit_test(test_a_file_that_others_can_write_is_refused),
        cmocka_unit_test(test_a_file_in_a_directory_that_others_can_write_is_refused),
        cmocka_unit_test(test_a_link_may_not_leave_its_directory),
    };

    if (argc != 2) {
        (void) fprintf(stderr, "usage: test_fixtures DIRECTORY\n");
        return 1;
    }
    fixtures = argv[1];
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
