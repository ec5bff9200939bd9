/* tests/unit/job/test_isolation.c - calls of an isolation plugin in its process, kind and hostile ones. Mirrors
 * core/job/isolation.c and isolation_process.c; argv[1] is the folder of the fakes. */
/* Before cmocka, which has a macro of the name of one of its slots. */
#include <flotilla/isolation.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/landlock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/isolation.h"
#include "core/job/sandbox.h"
#include "core/job/syscalls.h"
#include "tests/harness/harness.h"

#define PATIENCE_MS 60000

#ifdef FLOTILLA_SANITIZED
static const bool confined = false;
#else
static const bool confined = true;
#endif

static const char *fakes;

struct world {
    char *dir;
    struct isolation *isolation;
    struct isolation_wait wait;
    struct isolation_vm vm;
    struct error err;
    int stop;  /* what the watch says; 0 = go on */
    int looks; /* how often it was asked */
};

static int poll_control(void *arg)
{
    struct world *world = arg;

    world->looks++;
    return world->stop;
}

/* A copy of the fake, where nobody else can write. */
static void start(struct world *world, const char *name)
{
    autofree char *from = mem_printf("%s/%s.so", fakes, name), *file = NULL;

    *world = (struct world) { .dir = harness_temp_dir() };
    file = harness_path(world->dir, "plugin.so");
    harness_copy(from, file);
    assert_int_equal(isolation_start(file, &world->isolation), 0);
    world->wait =
        (struct isolation_wait) { .watch = { .poll_control = poll_control, .arg = world },
                                  .deadline_mono_ms = clock_mono_ms(&clock_system) + PATIENCE_MS };
}

static void start_open(struct world *world, const char *name)
{
    start(world, name);
    if (isolation_open(world->isolation, NULL, &world->err) < 0)
        fail_msg("%s", world->err.message);
}

static void stop(struct world *world)
{
    isolation_stop(world->isolation);
    harness_remove_dir(world->dir);
}

static int create(struct world *world, const char *image)
{
    return isolation_create(world->isolation, &world->wait, image, 0, &world->vm, &world->err);
}

static void test_vms_are_made_stomped_listed_and_removed(void **unused)
{
    autofree struct isolation_vms *vms = mem_zero(sizeof(*vms));
    struct world world;

    start_open(&world, "good_isolation");
    assert_int_equal(create(&world, "image"), 0);
    assert_string_equal(world.vm.id, "vm-1");
    assert_string_equal(world.vm.addr, "192.0.2.1");
    assert_string_equal(world.vm.stomped, "");
    assert_int_equal(create(&world, "image"), 0);
    assert_string_equal(world.vm.stomped, "vm-1");
    assert_int_equal(isolation_list(world.isolation, &world.wait, vms, &world.err), 0);
    assert_int_equal(vms->n, 1);
    assert_string_equal(vms->items[0].id, "vm-2");
    assert_int_equal(isolation_remove(world.isolation, &world.wait, "vm-2", &world.err), 0);
    assert_int_equal(isolation_list(world.isolation, &world.wait, vms, &world.err), 0);
    assert_int_equal(vms->n, 0);
    stop(&world);
}

static void test_what_is_wrong_with_a_plugin_is_told_when_it_is_opened(void **unused)
{
    autojson json_t *config = json_object_new_object();
    struct world world;

    start(&world, "good_provider");
    assert_int_equal(isolation_open(world.isolation, NULL, &world.err), FLT_E_ABI);
    assert_non_null(strstr(world.err.message, "plugin.so"));
    stop(&world);
    start(&world, "good_isolation");
    (void) json_add_bool(config, "unusable", true);
    assert_int_equal(isolation_open(world.isolation, config, &world.err), FLT_E_INVALID);
    assert_string_equal(world.err.message, "vm_isolation.unusable is set");
    assert_int_equal(create(&world, "image"), FLT_E_INVALID);
    stop(&world);
}

static void test_what_a_plugin_may_not_hand_out_is_refused(void **unused)
{
    static const struct {
        const char *image, *words;
    } rows[] = {
        { "status", "did not say why" },
        { "silent", "made 0 VMs" },
        { "twice", "made 2 VMs" },
        { "id", "an id that is none" },
        { "address", "an address that is none" },
    };
    autofree struct isolation_vms *vms = mem_zero(sizeof(*vms));
    struct world world;

    start_open(&world, "hostile_isolation");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(create(&world, rows[i].image), FLT_E_INTERNAL);
        if (!strstr(world.err.message, rows[i].words))
            fail_msg("%s: %s", rows[i].image, world.err.message);
    }
    assert_int_equal(isolation_list(world.isolation, &world.wait, vms, &world.err), FLT_E_INTERNAL);
    assert_non_null(strstr(world.err.message, "more than 64 VMs"));
    assert_int_equal(isolation_remove(world.isolation, &world.wait, "a", &world.err),
                     FLT_E_UNAVAILABLE);
    assert_int_equal(create(&world, "talk"), 0); /* and it is none the worse */
    assert_string_equal(world.vm.id, "good");
    stop(&world);
}

static void test_a_vm_that_is_made_is_known_though_the_call_was_stopped(void **unused)
{
    struct world world;

    start_open(&world, "hostile_isolation");
    world.stop = -ECANCELED;
    assert_int_equal(create(&world, "late"), -ECANCELED);
    assert_string_equal(world.vm.id, "a");
    world.stop = 0;
    assert_int_equal(create(&world, "image"), 0);
    stop(&world);
}

static void test_a_plugin_that_crashes_or_hangs_is_given_up(void **unused)
{
    struct world world;

    start_open(&world, "hostile_isolation");
    assert_int_equal(create(&world, "crash"), -ESHUTDOWN);
    assert_non_null(strstr(world.err.message, "has crashed"));
    assert_int_equal(create(&world, "image"), -ESHUTDOWN);
    assert_non_null(strstr(world.err.message, "has failed before"));
    stop(&world);
    start_open(&world, "hostile_isolation");
    assert_int_equal(setenv("FLOTILLA_LIMITS", "isolation_late=1,isolation_cancel=1", 1), 0);
    world.wait.deadline_mono_ms = clock_mono_ms(&clock_system) + 1;
    assert_int_equal(create(&world, "hang"), -ESHUTDOWN);
    assert_non_null(strstr(world.err.message, "did not return in time"));
    stop(&world);
    start_open(&world, "hostile_isolation");
    world.stop = -EINTR;
    assert_int_equal(create(&world, "hang"), -EINTR);
    assert_int_equal(unsetenv("FLOTILLA_LIMITS"), 0);
    stop(&world);
}

static void test_a_plugin_that_talks_without_an_end_is_given_up(void **unused)
{
    struct world world;

    start_open(&world, "hostile_isolation");
    assert_int_equal(create(&world, "much"), 0);
    assert_in_range(world.looks, 1000, INT_MAX); /* a cancel between any two words is heard */
    assert_int_equal(setenv("FLOTILLA_LIMITS", "isolation_late=1", 1), 0);
    world.wait.deadline_mono_ms = clock_mono_ms(&clock_system) + 1;
    assert_int_equal(create(&world, "endless"), -ESHUTDOWN);
    assert_non_null(strstr(world.err.message, "did not return in time"));
    assert_int_equal(unsetenv("FLOTILLA_LIMITS"), 0);
    stop(&world);
}

/* hardening.md X5, of the plugin's process. */
static void test_a_plugin_has_no_file_no_port_and_no_program(void **unused)
{
    struct world world;

    if (!confined || landlock_level() == 0)
        harness_skip("a build with sanitizers, or a kernel without Landlock");
    start_open(&world, "hostile_isolation");
    assert_int_equal(create(&world, "file"), 0);
    assert_string_equal(world.vm.id, "denied");
    if (landlock_level() >= 4) { /* from there on it knows ports */
        assert_int_equal(create(&world, "port"), 0);
        assert_string_equal(world.vm.id, "denied");
    }
    if (syscalls_available(NULL) == 0) {
        assert_int_equal(create(&world, "socket"), 0);
        assert_string_equal(world.vm.id, "denied");
    }
    assert_int_equal(create(&world, "descriptors"), 0);
    assert_string_equal(world.vm.id, "denied");
    assert_int_equal(create(&world, "program"), -ESHUTDOWN);
    stop(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vms_are_made_stomped_listed_and_removed),
        cmocka_unit_test(test_what_is_wrong_with_a_plugin_is_told_when_it_is_opened),
        cmocka_unit_test(test_what_a_plugin_may_not_hand_out_is_refused),
        cmocka_unit_test(test_a_vm_that_is_made_is_known_though_the_call_was_stopped),
        cmocka_unit_test(test_a_plugin_that_crashes_or_hangs_is_given_up),
        cmocka_unit_test(test_a_plugin_that_talks_without_an_end_is_given_up),
        cmocka_unit_test(test_a_plugin_has_no_file_no_port_and_no_program),
    };

    fakes = argc > 1 ? argv[1] : ".";
    (void) signal(SIGPIPE, SIG_IGN);
    (void) signal(SIGCHLD, SIG_IGN);
    if (sandbox_prepare(true, NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
