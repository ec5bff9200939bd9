/* sdk/check/contract_stop.c - checks of calls that are ended before their end: cancelled before they
 * begin or in their middle, out of time, or told by a sink to stop.
 *
 * A change that was cancelled may have happened or not; it is made again under the same request, as
 * the supervisor would. */
#include "core/base/str.h"
#include "sdk/check/kit.h"

/* Long enough for a call to begin its work, short enough to meet it there. */
#define MIDDLE_MS 10

/* The two ways to cancel. */
static struct kit_how before(struct kit_how how)
{
    how.cancelled = true;
    return how;
}

static struct kit_how midway(struct kit_how how)
{
    how.cancel_after_ms = MIDDLE_MS;
    return how;
}

static const struct kit_how plainly = { 0 };

/* A call that was stopped may end early, or have been faster. */
static void expect_stopped(const struct kit_call *call)
{
    if (call->code != FLT_OK && call->code != FLT_E_CANCELLED && call->code != FLT_E_TIMEOUT &&
        call->code != FLT_E_NOT_READY)
        kit_fail(call->kit, "%s that was cancelled returned %s: %s", call->verb,
                 kit_code_name(call->code), call->message);
}

static void cancel_open(struct kit *kit, struct kit_how how)
{
    struct kit_call *call;

    kit_close(kit);
    (void) kit_open(kit, how, kit_plugin_config(kit), &call);
    expect_stopped(call);
}

void check_cancel_open(struct kit *kit)
{
    cancel_open(kit, before(plainly));
    cancel_open(kit, midway(plainly));
}

static void cancel_increase(struct kit *kit, struct kit_how how)
{
    struct kit_call *call;
    uint32_t accepted;

    (void) kit_increase(kit, how, 2, &accepted, &call);
    expect_stopped(call);
}

void check_cancel_increase(struct kit *kit)
{
    kit->made_request = kit_new_request();
    cancel_increase(kit, before(kit_changing(kit->made_request)));
    cancel_increase(kit, midway(kit_changing(kit->made_request)));
}

static void cancel_decrease(struct kit *kit, struct kit_how how)
{
    struct kit_call *call;

    (void) kit_decrease(kit, how, kit->made, kit->n_made, &call);
    expect_stopped(call);
}

void check_cancel_decrease(struct kit *kit)
{
    const char *request = kit_new_request();

    if (kit->n_made == 0) {
        kit_skip(kit, "there is no new instance");
        return;
    }
    cancel_decrease(kit, before(kit_changing(request)));
    cancel_decrease(kit, midway(kit_changing(request)));
}

static void cancel_reading(struct kit *kit, struct kit_how how)
{
    struct kit_call *call;

    (void) kit_list(kit, how, &call);
    expect_stopped(call);
    if (kit->provider.signals) {
        (void) kit_signals(kit, how, &call);
        expect_stopped(call);
    }
    if (kit->n_made == 0)
        return;
    (void) kit_connect_info(kit, how, kit->made[0], &call);
    expect_stopped(call);
    if (kit->provider.heartbeat)
        (void) kit_heartbeat(kit, how, kit->made[0], &call);
}

void check_cancel_reading(struct kit *kit)
{
    cancel_reading(kit, before(plainly));
    cancel_reading(kit, midway(plainly));
}

void check_deadline(struct kit *kit)
{
    struct kit_call *call;

    (void) kit_list(kit, (struct kit_how) { .deadline_ms = 1 }, &call);
    expect_stopped(call);
}

/* What follows from a sink that says stop is judged where the sinks are. */
void check_sinks_that_stop(struct kit *kit)
{
    char *unknown[] = { kit_copy(KIT_UNKNOWN_ID), kit_copy(KIT_UNKNOWN_ID "-2") };
    struct kit_how stopping = { .stop = true };
    struct kit_call *call;

    if (kit->n_made < 2) {
        kit_skip(kit, "there are no two new instances");
        return;
    }
    (void) kit_list(kit, stopping, &call);
    (void) kit_connect_info(kit, stopping, kit->made[0], &call);
    if (kit->provider.signals)
        (void) kit_signals(kit, stopping, &call);
    stopping = kit_changing(kit_new_request());
    stopping.stop = true;
    (void) kit_decrease(kit, stopping, unknown, ARRAY_LEN(unknown), &call);
}
