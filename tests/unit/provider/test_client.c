/* tests/unit/provider/test_client.c - the client against a plugin that misbehaves on request
 * (tests/fakes/moody_provider.c), over a real worker process and inline.
 *
 * argv[1] is the plugin. The program is its own provider worker: the client execs it with
 * `provider`. */
#include <fcntl.h>
#include <flotilla/provider.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/client.h"

#include <cmocka.h>

#define PATIENCE_MS 20000
#define DEADLINE_MS 10000

struct result {
    bool answered;
    int order; /* 1 = the first answer of the world */
    int code;
    int64_t retry_after_ms;
    char message[512];
    json_t *reply;
    struct world *world;
};

struct world {
    uv_loop_t loop;
    uv_timer_t patience;
    struct provider_client *client;
    int answers, opened;
    struct result last_open;
    bool closed, out_of_patience;
    int64_t started_ms;
};

static char root[] = "/tmp/flotilla-client-XXXXXX";
static char *plugin, *self_exe;
static const bool worker = false, in_our_process = true;

static void note(void *arg, int code, const char *message, int64_t retry_after_ms, json_t *reply)
{
    struct result *result = arg;

    assert_false(result->answered);
    result->answered = true;
    result->code = code;
    result->retry_after_ms = retry_after_ms;
    (void) snprintf(result->message, sizeof(result->message), "%s", message);
    result->reply = reply ? json_object_get(reply) : NULL;
    result->order = ++result->world->answers;
    uv_stop(&result->world->loop);
}

static void on_open(void *arg, int code, const char *message, int64_t retry_after_ms, json_t *reply)
{
    struct world *world = arg;

    world->opened++;
    json_object_put(world->last_open.reply);
    world->last_open = (struct result) { .world = world };
    note(&world->last_open, code, message, retry_after_ms, reply);
}

static void on_patience(uv_timer_t *timer)
{
    struct world *world = timer->data;

    world->out_of_patience = true;
    uv_stop(&world->loop);
}

static void run_until(struct world *world, const bool *flag)
{
    (void) uv_timer_start(&world->patience, on_patience, PATIENCE_MS, 0);
    while (!*flag && !world->out_of_patience)
        (void) uv_run(&world->loop, UV_RUN_DEFAULT); /* until something has happened */
    assert_true(*flag);
}

static void run_until_opened(struct world *world, int times)
{
    (void) uv_timer_start(&world->patience, on_patience, PATIENCE_MS, 0);
    while (world->opened < times && !world->out_of_patience)
        (void) uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(world->opened, times);
}

static char *file_of_world(const char *name)
{
    return mem_printf("%s/state/moody/%s", root, name); /* the plugin's own folder */
}

static void make_file(const char *name)
{
    autofree char *path = file_of_world(name);
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
}

static struct provider_options options_of(bool run_inline, const char *config,
                                          const char *state_dir)
{
    return (struct provider_options) { .file = plugin,
                                       .group = "moody",
                                       .state_dir = state_dir,
                                       .plugin_config = config,
                                       .self_exe = self_exe,
                                       .run_inline = run_inline };
}

static void start_world(struct world *world, bool run_inline, const char *mode)
{
    autofree char *config = mem_printf("{\"mode\": \"%s\"}", mode);
    autofree char *state_dir = mem_printf("%s/state", root);
    struct provider_options options = options_of(run_inline, config, state_dir);
    struct error err = { 0 };

    *world = (struct world) { .last_open.world = world };
    assert_int_equal(mkdir(state_dir, 0700), 0);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    (void) uv_timer_init(&world->loop, &world->patience);
    world->patience.data = world;
    world->started_ms = clock_mono_ms(&clock_system);
    if (provider_client_new(&world->loop, &options, &world->client, &err) < 0)
        fail_msg("%s", err.message);
    provider_client_on_open(world->client, on_open, world);
}

static void on_closed(void *arg)
{
    struct world *world = arg;

    world->closed = true;
    uv_stop(&world->loop);
}

static void end_world(struct world *world)
{
    json_object_put(world->last_open.reply);
    provider_client_close(world->client, 2000, on_closed, world);
    run_until(world, &world->closed);
    uv_close((uv_handle_t *) &world->patience, NULL);
    (void) uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    assert_int_equal(fs_remove_tree(AT_FDCWD, root), 0);
    assert_int_equal(mkdir(root, 0700), 0);
}

static void open_world(struct world *world, bool run_inline, const char *mode)
{
    start_world(world, run_inline, mode);
    run_until_opened(world, 1);
    assert_int_equal(world->last_open.code, FLT_OK);
    assert_true(provider_client_is_open(world->client));
}

static void call(struct world *world, json_t *request, int64_t deadline_ms, struct result *result)
{
    struct error err = { 0 };

    *result = (struct result) { .world = world };
    if (provider_client_call(world->client, request, deadline_ms, note, result, &err) < 0)
        fail_msg("%s", err.message);
    assert_false(result->answered); /* never before the call returns */
}

static json_t *about(const char *type, const char *instance)
{
    json_t *request = json_frame(type);

    (void) json_add_str(request, "instance", instance);
    return request;
}

static json_t *decrease_of(const char *id)
{
    json_t *request = json_frame("decrease"), *ids = json_object_new_array();

    (void) json_object_array_add(ids, json_object_new_string(id));
    (void) json_add(request, "ids", ids);
    (void) json_add_str(request, "request_id", "r-1");
    return request;
}

static json_t *increase_by(int64_t n)
{
    json_t *request = json_frame("increase");

    (void) json_add_i64(request, "n", n);
    (void) json_add_str(request, "request_id", "r-1");
    return request;
}

static void ask(struct world *world, json_t *request, int64_t deadline_ms, struct result *result)
{
    call(world, request, deadline_ms, result);
    run_until(world, &result->answered);
}

static size_t length_of(json_t *reply, const char *key)
{
    json_t *array = NULL;

    assert_int_equal(json_opt_array(reply, key, &array, NULL), 0);
    return array ? json_object_array_length(array) : 0;
}

static void test_requests_are_answered(void **state)
{
    struct result list, increase, decrease, ready, booting, heartbeat;
    struct world world;
    int64_t number = 0;
    json_t *connect = NULL;
    const char *address = "";

    open_world(&world, *(const bool *) *state, "");
    (void) json_opt_i64(world.last_open.reply, "max_size", 0, 100, &number, NULL);
    assert_int_equal(number, 7);
    ask(&world, json_frame("list"), DEADLINE_MS, &list);
    assert_int_equal(list.code, FLT_OK);
    assert_int_equal(length_of(list.reply, "instances"), 2);
    ask(&world, increase_by(3), DEADLINE_MS, &increase);
    (void) json_opt_i64(increase.reply, "accepted", 0, 100, &number, NULL);
    assert_int_equal(number, 3);
    ask(&world, decrease_of("moody-1"), DEADLINE_MS, &decrease);
    assert_int_equal(length_of(decrease.reply, "accepted"), 1);
    ask(&world, about("connect_info", "moody-1"), DEADLINE_MS, &ready);
    assert_int_equal(json_opt_object(ready.reply, "connect", &connect, NULL), 0);
    (void) json_opt_str(connect, "address", &address, NULL);
    assert_string_equal(address, "192.0.2.1");
    ask(&world, about("connect_info", "moody-2"), DEADLINE_MS, &booting);
    assert_int_equal(booting.code, FLT_E_NOT_READY);
    assert_int_equal(booting.retry_after_ms, 1500);
    assert_string_equal(booting.message, "moody-2 is booting");
    ask(&world, about("heartbeat", "moody-1"), DEADLINE_MS, &heartbeat);
    assert_int_equal(heartbeat.code, FLT_OK);
    json_object_put(list.reply);
    json_object_put(increase.reply);
    json_object_put(decrease.reply);
    json_object_put(ready.reply);
    json_object_put(booting.reply);
    json_object_put(heartbeat.reply);
    end_world(&world);
}

static void test_signals_are_taken_over_record_by_record(void **state)
{
    static const struct {
        int64_t code, at_ms;
        const char *instance, *text;
    } want[] = {
        { FLT_E_UNHEALTHY, 5000, "moody-1", "it goes\\x1b[2J" },
        { FLT_E_QUOTA, 0, NULL, "" },
        { 42, 0, NULL, "" },
    };
    struct result result;
    struct world world;
    json_t *signals = NULL;

    open_world(&world, *(const bool *) *state, "");
    ask(&world, json_frame("signals"), DEADLINE_MS, &result);
    assert_int_equal(result.code, FLT_OK);
    assert_int_equal(length_of(result.reply, "signals"), ARRAY_LEN(want));
    (void) json_opt_array(result.reply, "signals", &signals, NULL);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        json_t *signal = json_object_array_get_idx(signals, i);
        const char *instance = NULL, *text = NULL;
        int64_t code = 0, at_ms = -1;

        (void) json_opt_i64(signal, "code", INT64_MIN, INT64_MAX, &code, NULL);
        (void) json_opt_i64(signal, "at_ms", INT64_MIN, INT64_MAX, &at_ms, NULL);
        (void) json_opt_str(signal, "instance", &instance, NULL);
        (void) json_opt_str(signal, "text", &text, NULL);
        assert_int_equal(code, want[i].code);
        assert_int_equal(at_ms, want[i].at_ms);
        assert_true(want[i].instance ? str_eq(instance, want[i].instance) : !instance);
        assert_string_equal(text, want[i].text);
    }
    json_object_put(result.reply);
    end_world(&world);
}

static void test_short_calls_overtake_queued_lists(void **state)
{
    struct result first, second, short_call;
    struct world world;

    open_world(&world, *(const bool *) *state, "gate");
    call(&world, json_frame("list"), DEADLINE_MS, &first);
    call(&world, json_frame("list"), DEADLINE_MS, &second);
    call(&world, about("heartbeat", "moody-1"), DEADLINE_MS, &short_call);
    (void) uv_run(&world.loop, UV_RUN_NOWAIT); /* the first list is under way */
    make_file("go");
    run_until(&world, &second.answered);
    assert_int_equal(second.order - world.opened, 3);
    /* The three were queued together: the short one goes before both, or after the one that ran. */
    assert_true(short_call.order < second.order);
    assert_int_equal(first.code, FLT_OK);
    json_object_put(first.reply);
    json_object_put(second.reply);
    json_object_put(short_call.reply);
    end_world(&world);
}

static void test_a_call_that_honours_its_cancel_is_answered_in_time(void **state)
{
    struct result list, after;
    struct world world;

    open_world(&world, *(const bool *) *state, "slow");
    ask(&world, json_frame("list"), 100, &list);
    assert_int_equal(list.code, FLT_E_CANCELLED);
    assert_string_equal(list.message, "the cancel was heard");
    /* The same process answers on. */
    ask(&world, about("heartbeat", "moody-1"), DEADLINE_MS, &after);
    assert_int_equal(after.code, FLT_OK);
    assert_int_equal(world.opened, 1);
    json_object_put(list.reply);
    json_object_put(after.reply);
    end_world(&world);
}

static void test_a_code_outside_the_set_reads_as_internal(void **state)
{
    struct result list;
    struct world world;

    open_world(&world, *(const bool *) *state, "unknown_code");
    ask(&world, json_frame("list"), DEADLINE_MS, &list);
    assert_int_equal(list.code, FLT_E_INTERNAL);
    json_object_put(list.reply);
    end_world(&world);
}

static void test_host_keys_without_an_array_are_an_error_of_the_call(void **state)
{
    struct result connect;
    struct world world;

    open_world(&world, *(const bool *) *state, "host_keys");
    ask(&world, about("connect_info", "moody-1"), DEADLINE_MS, &connect);
    assert_int_equal(connect.code, FLT_E_CANCELLED);
    assert_string_equal(connect.message, "connect_info: 2 host keys, but no array of them");
    json_object_put(connect.reply);
    end_world(&world);
}

static void test_a_broken_contract_ends_the_plugin_and_starts_it_anew(void **state)
{
    static const struct {
        const char *mode, *first, *second; /* the second call is where it shows, if any */
        const char *why;
    } rows[] = {
        { "duplicate", "list", NULL, "the plugin emitted the same id twice in one call" },
        { "bad_id", "list", NULL,
          "the plugin emitted an id that is not 1 to 255 bytes of letters, digits and ._:/-" },
        { "bad_state", "list", NULL,
          "the plugin emitted an instance in a state that does not exist" },
        { "many", "list", NULL, "the plugin listed more than 10,000 instances" },
        { "thread_emit", "list", NULL, "the plugin emitted from another thread than its call's" },
        { "late_emit", "list", "heartbeat", "the plugin emitted after its call had returned" },
        { "late_use", "list", "heartbeat", "the plugin used a call that had ended" },
        { "greedy", "increase", NULL, "the plugin accepted more instances than it was asked for" },
        { "foreign_id", "decrease", NULL, "the plugin accepted an id that it was not asked about" },
        { "signal_id", "signals", NULL,
          "the plugin emitted an id that is not 1 to 255 bytes of letters, digits and ._:/-" },
        { "signal_flood", "signals", NULL, "the plugin emitted more than 10,000 signals" },
    };
    bool run_inline = *(const bool *) *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct result result;
        struct world world;

        open_world(&world, run_inline, rows[i].mode);
        ask(&world,
            str_eq(rows[i].first, "increase")   ? increase_by(1)
            : str_eq(rows[i].first, "decrease") ? decrease_of("moody-1")
                                                : json_frame(rows[i].first),
            DEADLINE_MS, &result);
        if (rows[i].second) {
            assert_int_equal(result.code, FLT_OK);
            json_object_put(result.reply);
            ask(&world, about(rows[i].second, "moody-1"), DEADLINE_MS, &result);
        }
        if (result.code != FLT_E_UNAVAILABLE)
            fail_msg("%s: code %d", rows[i].mode, result.code);
        assert_null(result.reply);
        assert_string_equal(result.message, rows[i].why);
        assert_false(provider_client_is_open(world.client));
        run_until_opened(&world, 2);
        end_world(&world);
    }
}

static void test_a_plugin_that_cannot_open_says_why_and_is_tried_again(void **state)
{
    struct world world;
    struct error err = { 0 };

    start_world(&world, *(const bool *) *state, "open_fails");
    run_until_opened(&world, 1);
    assert_int_equal(world.last_open.code, FLT_E_AUTH);
    assert_string_equal(world.last_open.message, "the key is not known here");
    assert_false(provider_client_is_open(world.client));
    assert_int_equal(
        provider_client_call(world.client, json_frame("list"), DEADLINE_MS, NULL, NULL, &err),
        -ENOTCONN);
    run_until_opened(&world, 2);
    end_world(&world);
}

static void test_calls_in_flight_end_with_the_close(void **state)
{
    struct result running, queued;
    struct world world;

    open_world(&world, *(const bool *) *state, "slow");
    call(&world, json_frame("list"), DEADLINE_MS, &running);
    call(&world, json_frame("list"), DEADLINE_MS, &queued);
    (void) uv_run(&world.loop, UV_RUN_NOWAIT);
    end_world(&world);
    assert_int_equal(running.code, FLT_E_CANCELLED);
    assert_int_equal(queued.code, FLT_E_CANCELLED);
}

static void test_a_crash_fails_what_is_in_flight_and_the_group_comes_back(void **state)
{
    struct result running, queued, after;
    struct world world;

    (void) state;
    open_world(&world, worker, "crash_once");
    call(&world, json_frame("list"), DEADLINE_MS, &running);
    call(&world, json_frame("list"), DEADLINE_MS, &queued);
    run_until(&world, &queued.answered);
    assert_true(running.answered);
    assert_int_equal(running.code, FLT_E_UNAVAILABLE);
    assert_int_equal(queued.code, FLT_E_UNAVAILABLE);
    assert_string_equal(running.message, "the provider worker was killed by signal 6");
    run_until_opened(&world, 2);
    ask(&world, json_frame("list"), DEADLINE_MS, &after);
    assert_int_equal(after.code, FLT_OK);
    json_object_put(after.reply);
    end_world(&world);
}

static void test_restarts_wait_longer_each_time(void **state)
{
    struct world world;
    int64_t crashed[2];

    (void) state;
    open_world(&world, worker, "crash");
    for (size_t i = 0; i < ARRAY_LEN(crashed); i++) {
        struct result list;

        ask(&world, json_frame("list"), DEADLINE_MS, &list);
        assert_int_equal(list.code, FLT_E_UNAVAILABLE);
        crashed[i] = clock_mono_ms(&clock_system);
        run_until_opened(&world, (int) i + 2);
        /* 1 s, then 2 s; a millisecond for the timer's granularity. */
        assert_true(clock_mono_ms(&clock_system) - crashed[i] >= 1000 * (int64_t) (i + 1) - 1);
    }
    end_world(&world);
}

static void test_an_overdue_call_is_killed_two_seconds_after_its_deadline(void **state)
{
    struct result list;
    struct world world;
    int64_t began;

    (void) state;
    open_world(&world, worker, "hang");
    began = clock_mono_ms(&clock_system);
    ask(&world, json_frame("list"), 100, &list);
    assert_true(clock_mono_ms(&clock_system) - began >= 2099);
    assert_int_equal(list.code, FLT_E_UNAVAILABLE);
    assert_string_equal(list.message, "the plugin missed the deadline of a call and was killed");
    run_until_opened(&world, 2);
    end_world(&world);
}

static void test_garbage_on_the_link_ends_the_worker(void **state)
{
    struct result list;
    struct world world;

    (void) state;
    open_world(&world, worker, "garbage");
    ask(&world, json_frame("list"), DEADLINE_MS, &list);
    assert_int_equal(list.code, FLT_E_UNAVAILABLE);
    run_until_opened(&world, 2);
    end_world(&world);
}

static void test_a_worker_that_ends_without_a_word_is_a_failure(void **state)
{
    struct result list;
    struct world world;

    (void) state;
    open_world(&world, worker, "silent_end");
    ask(&world, json_frame("list"), DEADLINE_MS, &list);
    assert_int_equal(list.code, FLT_E_UNAVAILABLE);
    assert_string_equal(list.message, "the provider worker ended with status 0");
    end_world(&world);
}

#ifndef FLOTILLA_SANITIZED /* there the worker has no such limit */
static void test_memory_of_a_plugin_has_an_end_and_its_programs_have_another(void **state)
{
    struct result list;
    struct world world;

    (void) state;
    open_world(&world, worker, "hoarder");
    ask(&world, json_frame("list"), DEADLINE_MS, &list);
    assert_int_equal(list.code, FLT_E_QUOTA);
    assert_string_equal(list.message, "memory has an end, but not for programs");
    json_object_put(list.reply);
    end_world(&world);
}
#endif

static void test_a_plugin_that_hangs_inline_is_given_up_until_it_comes_back(void **state)
{
    struct result list, meanwhile, after;
    struct world world;

    (void) state;
    open_world(&world, in_our_process, "gate_deaf");
    ask(&world, json_frame("list"), 100, &list);
    assert_int_equal(list.code, FLT_E_TIMEOUT);
    ask(&world, about("heartbeat", "moody-1"), DEADLINE_MS, &meanwhile);
    assert_int_equal(meanwhile.code, FLT_E_UNAVAILABLE);
    make_file("go");
    do {
        ask(&world, about("heartbeat", "moody-1"), DEADLINE_MS, &after);
        json_object_put(after.reply);
    } while (after.code == FLT_E_UNAVAILABLE);
    assert_int_equal(after.code, FLT_OK);
    assert_int_equal(world.opened, 1);
    end_world(&world);
}

static int setup(void **state)
{
    (void) state;
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void) state;
    return fs_remove_tree(AT_FDCWD, root);
}

#define ON_BOTH(test)                                                                              \
    { #test " (worker)", test, NULL, NULL, (void *) (uintptr_t) &worker },                         \
    {                                                                                              \
#test " (inline)", test, NULL, NULL, (void *) (uintptr_t) &in_our_process                  \
    }

static void reopen(struct world *world, bool run_inline, const char *mode)
{
    autofree char *config = mem_printf("{\"mode\": \"%s\"}", mode);
    autofree char *state_dir = mem_printf("%s/state", root);
    struct provider_options options = options_of(run_inline, config, state_dir);
    struct error err = { 0 };

    if (provider_client_reopen(world->client, &options, &err) < 0)
        fail_msg("%s", err.message);
}

static void test_a_plugin_is_opened_anew_with_other_settings(void **state)
{
    bool run_inline = *(const bool *) *state;
    struct result before, queued, after;
    struct world world;

    open_world(&world, run_inline, "gate");
    call(&world, json_frame("list"), DEADLINE_MS, &before);
    (void) uv_run(&world.loop, UV_RUN_NOWAIT); /* it is under way */
    call(&world, json_frame("list"), DEADLINE_MS, &queued);
    reopen(&world, !run_inline, "unknown_code");
    call(&world, about("heartbeat", "moody-1"), DEADLINE_MS, &after);
    assert_false(before.answered);
    make_file("go");
    run_until(&world, &after.answered);
    run_until(&world, &queued.answered);
    assert_int_equal(before.code, FLT_OK); /* what ran has ended */
    assert_true(before.order < world.last_open.order);
    assert_int_equal(world.opened, 2);
    assert_int_equal(queued.code, FLT_E_INTERNAL); /* what waited went to the new one */
    assert_int_equal(after.code, FLT_OK);
    json_object_put(before.reply);
    json_object_put(queued.reply);
    json_object_put(after.reply);
    end_world(&world);
}

/* Again and again, at any moment: the last settings hold, and no pause for failures comes between. */
static void test_a_plugin_that_cannot_be_opened_is_tried_with_new_settings_at_once(void **state)
{
    bool run_inline = *(const bool *) *state;
    struct result list;
    struct world world;

    start_world(&world, run_inline, "open_fails");
    run_until_opened(&world, 1);
    assert_int_equal(world.last_open.code, FLT_E_AUTH);
    for (int i = 0; i < 3; i++)
        reopen(&world, run_inline, "hang_open");
    (void) uv_run(&world.loop, UV_RUN_NOWAIT);
    reopen(&world, run_inline, "unknown_code");
    make_file("go");
    call(&world, json_frame("list"), DEADLINE_MS, &list);
    run_until(&world, &list.answered);
    assert_int_equal(list.code, FLT_E_INTERNAL);
    assert_int_equal(world.opened, 2);
    assert_int_equal(world.last_open.code, FLT_OK);
    json_object_put(list.reply);
    end_world(&world);
}

static void test_a_client_may_be_closed_while_its_plugin_is_opened_anew(void **state)
{
    struct result list;
    struct world world;

    open_world(&world, *(const bool *) *state, "");
    reopen(&world, *(const bool *) *state, "");
    call(&world, json_frame("list"), DEADLINE_MS, &list);
    end_world(&world);
    assert_int_equal(list.code, FLT_E_CANCELLED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_requests_are_answered),
        ON_BOTH(test_signals_are_taken_over_record_by_record),
        ON_BOTH(test_short_calls_overtake_queued_lists),
        ON_BOTH(test_a_call_that_honours_its_cancel_is_answered_in_time),
        ON_BOTH(test_a_code_outside_the_set_reads_as_internal),
        ON_BOTH(test_host_keys_without_an_array_are_an_error_of_the_call),
        ON_BOTH(test_a_broken_contract_ends_the_plugin_and_starts_it_anew),
        ON_BOTH(test_a_plugin_that_cannot_open_says_why_and_is_tried_again),
        ON_BOTH(test_calls_in_flight_end_with_the_close),
        ON_BOTH(test_a_plugin_is_opened_anew_with_other_settings),
        ON_BOTH(test_a_plugin_that_cannot_be_opened_is_tried_with_new_settings_at_once),
        ON_BOTH(test_a_client_may_be_closed_while_its_plugin_is_opened_anew),
        cmocka_unit_test(test_a_crash_fails_what_is_in_flight_and_the_group_comes_back),
        cmocka_unit_test(test_restarts_wait_longer_each_time),
        cmocka_unit_test(test_an_overdue_call_is_killed_two_seconds_after_its_deadline),
        cmocka_unit_test(test_garbage_on_the_link_ends_the_worker),
        cmocka_unit_test(test_a_worker_that_ends_without_a_word_is_a_failure),
#ifndef FLOTILLA_SANITIZED
        cmocka_unit_test(test_memory_of_a_plugin_has_an_end_and_its_programs_have_another),
#endif
        cmocka_unit_test(test_a_plugin_that_hangs_inline_is_given_up_until_it_comes_back),
    };

    if (argc > 1 && str_eq(argv[1], "provider"))
        return provider_worker_main();
    if (argc != 2) {
        (void) fprintf(stderr, "usage: test_client PLUGIN\n");
        return 1;
    }
    (void) signal(SIGPIPE, SIG_IGN);
    log_open(2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    self_exe = argv[0]; /* under valgrind /proc/self/exe is valgrind */
    plugin = argv[1];
    return cmocka_run_group_tests(tests, setup, teardown);
}
