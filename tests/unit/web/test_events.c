/* tests/unit/web/test_events.c - mirrors core/web/events.c; its requests are this file's, which take what they are
 * told to take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/web/events.h"

struct web_request {
    const char *last_id;
    struct buf got;
    size_t largest; /* of its pieces */
    bool deaf;      /* what was sent last is not on its way yet */
    bool lasting;
    unsigned status;
    web_handler_fn on_room, on_gone;
    void *arg;
};

bool web_header(const struct web_request *request, const char *name, char *dst, size_t size)
{
    return str_eq(name, "last-event-id") && request->last_id &&
           str_copy(dst, size, request->last_id) == 0;
}

bool web_query(const struct web_request *request, const char *name, char *dst, size_t size)
{
    (void) request;
    (void) name;
    (void) dst;
    (void) size;
    return false;
}

void web_answer_text(struct web_request *request, unsigned status, const char *fmt, ...)
{
    (void) fmt;
    request->status = status;
}

bool web_stream(struct web_request *request, const char *type, web_handler_fn on_room)
{
    assert_string_equal(type, "text/event-stream");
    request->on_room = on_room;
    request->lasting = true;
    return true;
}

void web_on_gone(struct web_request *request, web_handler_fn on_gone, void *arg)
{
    request->on_gone = on_gone;
    request->arg = arg;
}

size_t web_room(const struct web_request *request)
{
    return request->deaf ? WEB_ROOM_MAX - 1 : WEB_ROOM_MAX;
}

int web_send(struct web_request *request, const char *data, size_t len)
{
    buf_add(&request->got, data, len);
    request->largest = MAX(request->largest, len);
    request->deaf = true;
    return 0;
}

/* It takes what there is for it. */
static void take(struct web_request *request)
{
    size_t before;

    do {
        before = request->got.len;
        request->deaf = false;
        request->on_room(request->arg, request);
    } while (request->got.len > before);
}

static void leave(struct web_request *request)
{
    request->on_gone(request->arg, request);
    buf_done(&request->got);
}

/* What there is. */
struct things {
    unsigned value, fills;
    size_t padding;
};

static void fill(void *arg, struct web_events *events)
{
    struct things *things = arg;
    autobuf struct buf value = BUF_INIT;

    things->fills++;
    buf_addf(&value, "%u", things->value);
    web_events_put(events, "value", &value);
    buf_clear(&value);
    buf_add_char(&value, '"');
    for (size_t i = 0; i < things->padding; i++)
        buf_add_char(&value, 'x');
    buf_add_char(&value, '"');
    web_events_put(events, "padding", &value);
}

struct fixture {
    struct things things;
    struct rng_seeded rng;
    struct web_events *events;
    struct web_events_time now;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture) { .now = { 1000000, 5 } };
    rng_seed(&f->rng, 1);
    f->events = web_events_new(fill, &f->things, &f->rng.rng);
}

static void change(struct fixture *f)
{
    f->things.value++;
    f->now.mono_ms += 1000;
    web_events_turn(f->events, f->now);
}

static unsigned count(const struct web_request *request, const char *what)
{
    unsigned n = 0;

    for (const char *at = buf_str(&request->got); (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* The last id that it was told. */
static void find_id(const struct web_request *request, char id[64])
{
    const char *last = NULL;

    for (const char *at = buf_str(&request->got); (at = strstr(at, "id: ")); at++)
        last = at + strlen("id: ");
    assert_non_null(last);
    (void) snprintf(id, 64, "%.*s", (int) strcspn(last, "\n"), last);
}

static void test_all_watchers_get_the_same_bytes(void **unused)
{
    struct web_request a = { 0 }, b = { 0 };
    struct fixture f;

    begin(&f);
    web_events_watch(f.events, &a, f.now);
    web_events_watch(f.events, &b, f.now);
    take(&a);
    change(&f);
    take(&a);
    take(&b); /* came a moment later: its snapshot was made by the next round */
    assert_int_equal(count(&a, "event: snapshot"), 1);
    assert_int_equal(count(&b, "event: snapshot"), 1);
    buf_clear(&a.got);
    buf_clear(&b.got);
    change(&f);
    take(&a);
    take(&b);
    assert_string_equal(buf_str(&a.got), buf_str(&b.got));
    assert_non_null(strstr(buf_str(&a.got),
                           "event: change\ndata: {\"now\":5,\"set\":{\"value\":2},\"gone\":[]}"));
    /* What stays is not told again. */
    buf_clear(&a.got);
    f.now.mono_ms += 1000;
    web_events_turn(f.events, f.now);
    take(&a);
    assert_int_equal(a.got.len, 0);
    f.now.mono_ms += 15000;
    web_events_turn(f.events, f.now);
    assert_string_equal(buf_str(&a.got), ":\n\n");
    leave(&a);
    leave(&b);
    web_events_free(f.events);
}

static void test_nobody_watching_costs_nothing(void **unused)
{
    struct web_request a = { 0 }, back = { 0 }, late = { 0 };
    struct fixture f;
    unsigned fills;
    char id[64];

    begin(&f);
    change(&f);
    assert_int_equal(f.things.fills, 0);
    web_events_watch(f.events, &a, f.now);
    take(&a);
    find_id(&a, id);
    leave(&a);
    fills = f.things.fills;
    change(&f);
    change(&f);
    assert_int_equal(f.things.fills, fills);
    back.last_id = late.last_id = id;
    web_events_watch(f.events, &back, f.now);
    take(&back);
    assert_int_equal(count(&back, "event: snapshot"), 0);
    assert_non_null(strstr(buf_str(&back.got), "\"set\":{\"value\":3}"));
    leave(&back);
    f.now.mono_ms += 70000;
    web_events_turn(f.events, f.now);
    web_events_watch(f.events, &late, f.now);
    take(&late);
    assert_int_equal(count(&late, "event: snapshot"), 1);
    leave(&late);
    web_events_free(f.events);
}

static void test_a_slow_watcher_gets_a_snapshot_when_it_is_ready(void **unused)
{
    struct web_request slow = { 0 }, quick = { 0 };
    struct fixture f;

    begin(&f);
    f.things.padding = 100000;
    web_events_watch(f.events, &slow, f.now); /* the first piece of the snapshot is under way */
    f.things.padding = 1;
    for (unsigned i = 0; i < 300; i++) {
        change(&f);
        if (i == 0)
            web_events_watch(f.events, &quick, f.now);
        else
            take(&quick);
    }
    assert_int_equal(count(&slow, "\n\n"), 0);
    assert_true(slow.got.len <= 32768 && slow.largest == slow.got.len);
    take(&slow); /* the rest of it; what came behind is not kept any more */
    assert_true(slow.largest <= 32768);
    assert_int_equal(count(&slow, "event: "), 1);
    change(&f);
    take(&slow);
    assert_int_equal(count(&slow, "event: snapshot"), 2);
    assert_int_equal(count(&slow, "event: change"), 0);
    assert_non_null(strstr(buf_str(&slow.got), "\"set\":{\"value\":301,\"padding\":\"x\"}"));
    change(&f);
    take(&slow);
    assert_int_equal(count(&slow, "event: change"), 1);
    assert_int_equal(count(&quick, "event: snapshot"), 1);
    leave(&slow);
    leave(&quick);
    web_events_free(f.events);
}

static void test_large_changes_are_not_kept_without_bound(void **unused)
{
    struct web_request slow = { 0 };
    struct fixture f;

    begin(&f);
    web_events_watch(f.events, &slow, f.now);
    for (unsigned i = 0; i < 8; i++) {
        f.things.padding = 200000 + i;
        change(&f);
    }
    take(&slow);
    assert_int_equal(count(&slow, "event: "), 1); /* the changes behind it are gone */
    change(&f);
    take(&slow);
    assert_int_equal(count(&slow, "event: snapshot"), 2);
    leave(&slow);
    web_events_free(f.events);
}

#ifdef FLOTILLA_FAULTS
static void test_without_memory_all_begin_anew(void **unused)
{
    for (size_t n = 1; n < 12; n++) {
        struct web_request a = { 0 };
        char before[64], after[64];
        struct fixture f;

        begin(&f);
        assert_int_equal(buf_reserve(&a.got, 65536), 0);
        web_events_watch(f.events, &a, f.now);
        take(&a);
        find_id(&a, before);
        (void) mem_fail_at(n);
        change(&f);
        (void) mem_fail_at(0);
        change(&f);
        change(&f);
        take(&a);
        find_id(&a, after);
        assert_non_null(strstr(buf_str(&a.got), "\"value\":3"));
        /* Either nothing was lost, or it got a snapshot of another row of numbers. */
        if (strncmp(before, after, 16) != 0)
            assert_int_equal(count(&a, "event: snapshot"), 2);
        leave(&a);
        web_events_free(f.events);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_watchers_get_the_same_bytes),
        cmocka_unit_test(test_nobody_watching_costs_nothing),
        cmocka_unit_test(test_a_slow_watcher_gets_a_snapshot_when_it_is_ready),
        cmocka_unit_test(test_large_changes_are_not_kept_without_bound),
#ifdef FLOTILLA_FAULTS
        cmocka_unit_test(test_without_memory_all_begin_anew),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
