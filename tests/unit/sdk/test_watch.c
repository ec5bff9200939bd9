/* tests/unit/sdk/test_watch.c - mirrors sdk/lib/watch.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/watch.h"

#include <cmocka.h> /* behind provider.h, which its fail() would break */

#include <unistd.h>

struct flt_call {
    int64_t ends_ms;
    int fd;
};

static int64_t host_time_left_ms(flt_call *call)
{
    return call->ends_ms - flt_monotonic_ms();
}

static int32_t host_cancel_fd(flt_call *call)
{
    return call->fd;
}

static const struct flt_host host = { .time_left_ms = host_time_left_ms,
                                      .cancel_fd = host_cancel_fd };

/* A call of the host's that ends in `left_ms`, with a pipe to cancel it. */
struct scene {
    struct flt_call call;
    struct flt_call_watch of;
    struct flt_watch watch;
    int canceller;
};

static void scene_open(struct scene *scene, int64_t left_ms)
{
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    scene->call = (struct flt_call) { flt_monotonic_ms() + left_ms, pipe_fds[0] };
    scene->canceller = pipe_fds[1];
    scene->of = (struct flt_call_watch) { &host, &scene->call };
    scene->watch = flt_watch_call(&scene->of);
}

static void scene_close(struct scene *scene)
{
    (void) close(scene->call.fd);
    (void) close(scene->canceller);
}

static void test_a_call_lasts_as_long_as_its_host_lets_it(void **unused)
{
    struct scene scene;

    (void) unused;
    scene_open(&scene, 600000);
    assert_int_equal(flt_watch_ended(&scene.watch), FLT_OK);
    assert_in_range(flt_watch_left_ms(&scene.watch), 1, 600000);
    scene.call.ends_ms = flt_monotonic_ms() - 5;
    assert_int_equal(flt_watch_ended(&scene.watch), FLT_E_TIMEOUT);
    assert_int_equal(flt_watch_left_ms(&scene.watch), 0);
    assert_int_equal(write(scene.canceller, "x", 1), 1);
    assert_int_equal(flt_watch_ended(&scene.watch), FLT_E_CANCELLED);
    scene_close(&scene);
}

static void test_a_sleep_ends_with_its_call(void **unused)
{
    int64_t start = flt_monotonic_ms();
    struct scene scene;

    (void) unused;
    scene_open(&scene, 600000);
    assert_int_equal(flt_watch_sleep(&scene.watch, 30), FLT_OK);
    assert_true(flt_monotonic_ms() - start >= 30);
    scene.call.ends_ms = flt_monotonic_ms() + 30;
    assert_int_equal(flt_watch_sleep(&scene.watch, 600000), FLT_E_TIMEOUT);
    assert_true(flt_monotonic_ms() >= scene.call.ends_ms);
    scene.call.ends_ms = flt_monotonic_ms() + 600000;
    assert_int_equal(write(scene.canceller, "x", 1), 1);
    assert_int_equal(flt_watch_sleep(&scene.watch, 300000), FLT_E_CANCELLED);
    assert_true(flt_monotonic_ms() - start < 300000);
    scene_close(&scene);
}

static void test_without_a_watch_nothing_ends(void **unused)
{
    const struct flt_watch empty = { 0 };

    (void) unused;
    assert_int_equal(flt_watch_ended(NULL), FLT_OK);
    assert_int_equal(flt_watch_ended(&empty), FLT_OK);
    assert_true(flt_watch_left_ms(NULL) == INT64_MAX);
    assert_int_equal(flt_watch_cancel_fd(NULL), -1);
    assert_int_equal(flt_watch_sleep(NULL, 1), FLT_OK);
    assert_int_equal(flt_watch_sleep(NULL, -1), FLT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_lasts_as_long_as_its_host_lets_it),
        cmocka_unit_test(test_a_sleep_ends_with_its_call),
        cmocka_unit_test(test_without_a_watch_nothing_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
