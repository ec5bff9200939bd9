/* sdk/check/contract_change.c - checks with two instances more: growing, reaching, shrinking.
 * Whatever was made is removed again. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "sdk/check/kit.h"

#define PAUSE_MS 100
#define CALLS 20

static const struct kit_how plainly = { 0 };

/* The cloud's time passes; nothing tells us when. */
static void let_time_pass(int64_t ms)
{
    (void) poll(NULL, 0, (int) MAX(ms, INT64_C(1)));
}

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static bool is_alive(const struct kit_instance *instance)
{
    return instance && instance->state != FLT_STATE_DELETING &&
           instance->state != FLT_STATE_DELETED;
}

/* Instances that were not there when we came. */
static size_t count_new(struct kit *kit, const struct kit_listing *listing)
{
    size_t n = 0;

    for (size_t i = 0; i < listing->n; i++)
        n += !kit_find(&kit->before, listing->items[i].id) && is_alive(&listing->items[i]);
    return n;
}

static void note_made(struct kit *kit, const struct kit_listing *listing)
{
    for (size_t i = 0; i < listing->n; i++) {
        bool noted = kit_find(&kit->before, listing->items[i].id) != NULL;

        for (size_t j = 0; j < kit->n_made; j++)
            noted |= str_eq(kit->made[j], listing->items[i].id);
        if (noted)
            continue;
        kit_report(kit, "made", NULL, listing->items[i].id);
        if (kit->n_made < ARRAY_LEN(kit->made))
            kit->made[kit->n_made++] = listing->items[i].id;
    }
}

static void check_increase(struct kit *kit)
{
    int64_t until;
    struct kit_call *call;
    uint32_t accepted;

    if (kit_increase(kit, kit_changing(kit->made_request), 2, &accepted, &call) != FLT_OK) {
        kit_fail_result(call);
    } else if (accepted != 2) {
        kit_fail(kit, "increase returned FLT_OK, but accepted %" PRIu32 " of 2", accepted);
    }
    until = now_ms() + kit->options->patience_ms;
    for (;;) {
        if (kit_list(kit, plainly, &call) != FLT_OK) {
            kit_fail_result(call);
            return;
        }
        if (count_new(kit, &call->emitted) >= MIN(accepted, UINT32_C(2)))
            break;
        if (now_ms() >= until) {
            kit_fail(kit, "list shows %zu of 2 new instances after %" PRIi64 " ms",
                     count_new(kit, &call->emitted), kit->options->patience_ms);
            break;
        }
        let_time_pass(PAUSE_MS);
    }
    if (count_new(kit, &call->emitted) > 2)
        kit_fail(kit,
                 "list shows %zu new instances, 2 were asked for: a call that was cancelled "
                 "and the one that repeats it are one request",
                 count_new(kit, &call->emitted));
    note_made(kit, &call->emitted);
}

static bool nothing_made(struct kit *kit)
{
    if (kit->n_made >= 2)
        return false;
    kit_skip(kit, "there are no two new instances");
    return true;
}

static void check_same_request(struct kit *kit)
{
    struct kit_call *call;
    uint32_t accepted;

    size_t made = kit->n_made;

    if (nothing_made(kit))
        return;
    if (kit_increase(kit, kit_changing(kit->made_request), 2, &accepted, &call) != FLT_OK)
        kit_fail_result(call);
    else if (accepted != 2)
        kit_fail(kit, "the repeated request was accepted for %" PRIu32 ", the first for 2",
                 accepted);
    for (int i = 0; i < 5; i++) {
        if (kit_list(kit, plainly, &call) != FLT_OK)
            kit_fail_result(call);
        if (count_new(kit, &call->emitted) > made) {
            kit_fail(kit, "the repeated request made %zu more instances",
                     count_new(kit, &call->emitted) - made);
            note_made(kit, &call->emitted);
            return;
        }
        let_time_pass(PAUSE_MS);
    }
}

static void check_connect(struct kit *kit)
{
    int64_t until = now_ms() + kit->options->patience_ms;
    struct kit_call *call;

    if (nothing_made(kit))
        return;
    while (kit_connect_info(kit, plainly, kit->made[0], &call) == FLT_E_NOT_READY) {
        if (call->retry_after_ms <= 0) {
            kit_fail(kit, "connect_info returned FLT_E_NOT_READY without a time to ask again");
            return;
        }
        if (now_ms() >= until) {
            kit_note(kit, "%s was not ready within %" PRIi64 " ms", kit->made[0],
                     kit->options->patience_ms);
            return;
        }
        let_time_pass(MIN(call->retry_after_ms, INT64_C(1000)));
    }
    if (call->code != FLT_OK)
        kit_fail_result(call);
    else if (call->n_connects != 1)
        kit_fail(kit, "connect_info emitted %u records, not one", call->n_connects);
}

static void check_connect_unknown(struct kit *kit)
{
    struct kit_call *call;

    if (kit_connect_info(kit, plainly, KIT_UNKNOWN_ID, &call) == FLT_OK)
        kit_fail(kit, "connect_info returned FLT_OK for an instance that does not exist");
}

static void check_heartbeat(struct kit *kit)
{
    struct kit_call *call;
    int32_t code;

    if (!kit->provider.heartbeat) {
        kit_skip(kit, "it has no heartbeat");
        return;
    }
    if (nothing_made(kit))
        return;
    code = kit_heartbeat(kit, plainly, kit->made[0], &call);
    if (code != FLT_OK && code != FLT_E_UNHEALTHY && code != FLT_E_UNAVAILABLE)
        kit_fail(kit,
                 "heartbeat returned %s; FLT_OK, FLT_E_UNHEALTHY and FLT_E_UNAVAILABLE are "
                 "its answers",
                 kit_code_name(code));
}

/* Whatever holds now: mostly nothing. It is asked for again and again, so it must be cheap to repeat. */
static void check_signals(struct kit *kit)
{
    struct kit_call *call;

    if (!kit->provider.signals) {
        kit_skip(kit, "it has no signals");
        return;
    }
    for (int i = 0; i < 2; i++)
        if (kit_signals(kit, plainly, &call) != FLT_OK)
            kit_fail_result(call);
}

static void check_decrease_unknown(struct kit *kit)
{
    char *unknown[] = { kit_copy(KIT_UNKNOWN_ID) };
    struct kit_call *call;

    if (kit_decrease(kit, kit_changing(kit_new_request()), unknown, 1, &call) != FLT_OK)
        kit_fail_result(call);
    else if (call->emitted.n != 1)
        kit_fail(kit, "decrease did not emit the unknown id as accepted");
    if (kit_list(kit, plainly, &call) != FLT_OK)
        kit_fail_result(call);
    for (size_t i = 0; i < kit->n_made; i++)
        if (!is_alive(kit_find(&call->emitted, kit->made[i])))
            kit_fail(kit, "decrease of an unknown id removed %s", kit->made[i]);
}

static void check_epoch(struct kit *kit)
{
    char *unknown[] = { kit_copy(KIT_UNKNOWN_ID) };
    struct kit_how older = kit_changing(kit_new_request());
    struct kit_call *call;

    older.epoch = kit_epoch() - 1;
    if (kit_decrease(kit, older, unknown, 1, &call) == FLT_OK)
        kit_note(kit, "an older epoch is not noticed: two managers of one group would not be "
                      "kept apart");
    else if (call->code != FLT_E_STALE)
        kit_fail(kit, "decrease of an older epoch returned %s: %s", kit_code_name(call->code),
                 call->message);
}

static void decrease_all(struct kit *kit, const char *request_id)
{
    struct kit_call *call;

    if (kit_decrease(kit, kit_changing(request_id), kit->made, kit->n_made, &call) != FLT_OK)
        kit_fail_result(call);
    else if (call->emitted.n != kit->n_made)
        kit_fail(kit, "decrease accepted %zu of %zu instances", call->emitted.n, kit->n_made);
}

static void check_decrease(struct kit *kit)
{
    int64_t until = now_ms() + kit->options->patience_ms;
    struct kit_call *call;
    size_t left;

    if (kit->n_made == 0) {
        kit_skip(kit, "there is no new instance");
        return;
    }
    decrease_all(kit, kit_new_request());
    for (;;) {
        left = 0;
        if (kit_list(kit, plainly, &call) != FLT_OK) {
            kit_fail_result(call);
            return;
        }
        for (size_t i = 0; i < kit->n_made; i++)
            left += is_alive(kit_find(&call->emitted, kit->made[i]));
        if (left == 0)
            break;
        if (now_ms() >= until) {
            kit_fail(kit, "list shows %zu of the removed instances as before after %" PRIi64 " ms",
                     left, kit->options->patience_ms);
            return;
        }
        let_time_pass(PAUSE_MS);
    }
    for (size_t i = 0; i < kit->n_made; i++)
        kit_report(kit, "gone", NULL, kit->made[i]);
    for (size_t i = 0; i < kit->before.n; i++)
        if (is_alive(&kit->before.items[i]) &&
            !is_alive(kit_find(&call->emitted, kit->before.items[i].id)))
            kit_note(kit, "%s, which was there before, is gone", kit->before.items[i].id);
}

static void check_decrease_again(struct kit *kit)
{
    const char *request = kit_new_request();

    if (kit->n_made == 0) {
        kit_skip(kit, "there is no new instance");
        return;
    }
    decrease_all(kit, request);
    decrease_all(kit, request);
}

/* One round each, for the count of what they leave behind. Their answers are judged elsewhere. */

static void increase_again(struct kit *kit)
{
    struct kit_call *call;
    uint32_t accepted;

    (void) kit_increase(kit, kit_changing(kit->made_request), 2, &accepted, &call);
}

static void connect_again(struct kit *kit)
{
    struct kit_call *call;

    (void) kit_connect_info(kit, plainly, kit->made[0], &call);
}

static void heartbeat_again(struct kit *kit)
{
    struct kit_call *call;

    (void) kit_heartbeat(kit, plainly, kit->made[0], &call);
}

static void signals_again(struct kit *kit)
{
    struct kit_call *call;

    (void) kit_signals(kit, plainly, &call);
}

static void decrease_unknown(struct kit *kit)
{
    char *unknown[] = { kit_copy(KIT_UNKNOWN_ID) };
    struct kit_call *call;

    (void) kit_decrease(kit, kit_changing(kit_new_request()), unknown, 1, &call);
}

static void check_leaks_of_calls(struct kit *kit)
{
    if (nothing_made(kit))
        return;
    check_leaks(kit, "calls of connect_info", CALLS, connect_again);
    if (kit->provider.heartbeat)
        check_leaks(kit, "calls of heartbeat", CALLS, heartbeat_again);
    if (kit->provider.signals)
        check_leaks(kit, "calls of signals", CALLS, signals_again);
    check_leaks(kit, "calls of increase", CALLS, increase_again);
    check_leaks(kit, "calls of decrease", CALLS, decrease_unknown);
}

const struct kit_check kit_checks_change[] = {
    { "a cancelled increase ends within a second", check_cancel_increase, false },
    { "increase is accepted and listed", check_increase, false },
    { "increase with the same request makes nothing new", check_same_request, false },
    { "connect_info answers or says when", check_connect, false },
    { "connect_info of an unknown id is an error", check_connect_unknown, false },
    { "heartbeat answers", check_heartbeat, false },
    { "signals say what holds", check_signals, false },
    { "a cancel is honoured within a second", check_cancel_reading, false },
    { "a deadline is kept", check_deadline, false },
    { "a sink that says stop is obeyed", check_sinks_that_stop, false },
    { "20 calls of each kind leak nothing", check_leaks_of_calls, false },
    { "decrease of an unknown id is accepted", check_decrease_unknown, false },
    { "an older epoch is stale", check_epoch, false },
    { "a cancelled decrease ends within a second", check_cancel_decrease, false },
    { "decrease is accepted and listed", check_decrease, false },
    { "decrease again is accepted", check_decrease_again, false },
    { NULL, NULL, false },
};
