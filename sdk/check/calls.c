/* sdk/check/calls.c - the slots of the plugin under test, and sinks that judge what it emits. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/provider/check.h"
#include "sdk/check/kit.h"

static const struct {
    int32_t code;
    const char *name;
} codes[] = {
#define CODE(name)                                                                                 \
    {                                                                                              \
        name, #name                                                                                \
    }
    CODE(FLT_OK),          CODE(FLT_E_INVALID),     CODE(FLT_E_AUTH),      CODE(FLT_E_QUOTA),
    CODE(FLT_E_THROTTLED), CODE(FLT_E_UNAVAILABLE), CODE(FLT_E_NOT_FOUND), CODE(FLT_E_NOT_READY),
    CODE(FLT_E_PARTIAL),   CODE(FLT_E_STALE),       CODE(FLT_E_UNHEALTHY), CODE(FLT_E_CANCELLED),
    CODE(FLT_E_TIMEOUT),   CODE(FLT_E_UNSUPPORTED), CODE(FLT_E_INTERNAL),
#undef CODE
};

const char *kit_code_name(int32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == code)
            return codes[i].name;
    return "?";
}

bool kit_code_known(int32_t code)
{
    return *kit_code_name(code) != '?';
}

const char *kit_plugin_config(const struct kit *kit)
{
    return kit->options->plugin_config ? kit->options->plugin_config : "{}";
}

/* A manager's epochs are milliseconds since 1970. */
int64_t kit_epoch(void)
{
    static int64_t epoch;

    if (epoch == 0)
        epoch = clock_wall_ms(&clock_system) / 100;
    return epoch;
}

struct kit_how kit_changing(const char *request_id)
{
    return (struct kit_how) { .request_id = request_id, .epoch = kit_epoch() };
}

char *kit_new_request(void)
{
    char uuid[UUID_SIZE];

    rng_uuid(&rng_system, uuid);
    return kit_copy(uuid);
}

void kit_fail_result(const struct kit_call *call)
{
    kit_fail(call->kit, "%s returned %s: %s", call->verb, kit_code_name(call->code), call->message);
}

const struct kit_instance *kit_find(const struct kit_listing *listing, const char *id)
{
    for (size_t i = 0; i < listing->n; i++)
        if (strcmp(listing->items[i].id, id) == 0)
            return &listing->items[i];
    return NULL;
}

bool kit_sink_usable(struct kit_call *call, const void *record)
{
    if (call->ended)
        kit_fail(call->kit, "it emitted after its call of %s had returned", call->verb);
    else if (!pthread_equal(call->thread, pthread_self()))
        kit_fail(call->kit, "%s emitted from another thread than its call's", call->verb);
    else if (!record)
        kit_fail(call->kit, "%s emitted NULL", call->verb);
    else if (call->stopped)
        kit_fail(call->kit, "%s went on emitting after its sink had said stop", call->verb);
    else
        return true;
    return false;
}

static void keep(struct kit_listing *listing, const char *id, int32_t state)
{
    if (listing->n == listing->room) {
        size_t room = listing->room ? listing->room * 2 : 16;
        struct kit_instance *items = kit_alloc(room * sizeof(*items));

        if (listing->n > 0)
            memcpy(items, listing->items, listing->n * sizeof(*items));
        listing->items = items;
        listing->room = room;
    }
    listing->items[listing->n++] = (struct kit_instance) { kit_copy(id), state };
}

void kit_take(struct kit_call *call, const char *id, int32_t state)
{
    autobuf struct buf shown = BUF_INIT;

    if (id)
        str_display(&shown, id, strnlen(id, 80), 80);
    if (id && *id == 1)
        kit_fail(call->kit,
                 "%s emitted memory of ours that was lent for an earlier call: it keeps a pointer",
                 call->verb);
    else if (!plugin_id_valid(id))
        kit_fail(call->kit, "%s emitted '%s', which is no id", call->verb, buf_str(&shown));
    else if (kit_find(&call->emitted, id))
        kit_fail(call->kit, "%s emitted %s twice", call->verb, id);
    else if (call->emitted.n >= KIT_IDS_MAX)
        kit_fail(call->kit, "%s emitted more than %d ids", call->verb, KIT_IDS_MAX);
    else {
        keep(&call->emitted, id, state);
        call->stopped = call->stop;
    }
}

int32_t kit_wants_more(struct kit_call *call)
{
    return call->stopped || kit_failed(call->kit) ? 1 : 0;
}

/* Against the size that 1.0 has, not ours: an old plugin's records stay small for ever. */
bool kit_has_size(struct kit_call *call, uint32_t given, uint32_t least)
{
    if (given >= least)
        return true;
    kit_fail(call->kit, "%s emitted a record whose struct_size is %" PRIu32 ", 1.0 has %" PRIu32,
             call->verb, given, least);
    return false;
}

static int32_t take_instance(void *arg, const struct flt_instance *raw)
{
    struct flt_instance instance = { 0 };
    struct kit_call *call = arg;

    if (!kit_sink_usable(call, raw))
        return 1;
    if (!kit_has_size(call, raw->struct_size, FLT_INSTANCE_SIZE_1_0))
        return 1;
    memcpy(&instance, raw, MIN((size_t) raw->struct_size, sizeof(instance)));
    if (instance.state < FLT_STATE_CREATING || instance.state > FLT_STATE_RESUMING)
        kit_fail(call->kit, "list emitted the state %" PRId32 ", which does not exist",
                 instance.state);
    else
        kit_take(call, instance.id, instance.state);
    return kit_wants_more(call);
}

static int32_t take_id(void *arg, const char *id)
{
    struct kit_call *call = arg;

    if (!kit_sink_usable(call, id))
        return 1;
    kit_take(call, id, 0);
    return kit_wants_more(call);
}

static int32_t take_connect(void *arg, const struct flt_connect_info *raw)
{
    struct flt_connect_info info = { 0 };
    autojson json_t *ignored = NULL;
    struct kit_call *call = arg;
    struct error err = { 0 };

    if (!kit_sink_usable(call, raw) ||
        !kit_has_size(call, raw->struct_size, FLT_CONNECT_INFO_SIZE_1_0))
        return 1;
    memcpy(&info, raw, MIN((size_t) raw->struct_size, sizeof(info)));
    if (provider_connect_json(&info, call->kit->provider.capabilities, &ignored, &err) < 0)
        kit_fail(call->kit, "connect_info: %s", err.message);
    call->n_connects++;
    call->stopped = call->stop;
    return kit_wants_more(call);
}

/* What is wrong with it; NULL: nothing. */
static const char *judge_signal(const struct flt_signal *signal)
{
    if (signal->code != FLT_E_UNHEALTHY && signal->code != FLT_E_QUOTA)
        return "whose code is neither FLT_E_UNHEALTHY nor FLT_E_QUOTA";
    if (signal->code == FLT_E_UNHEALTHY && !plugin_id_valid(signal->instance))
        return "about an instance whose id is none";
    if (signal->code == FLT_E_QUOTA && signal->instance)
        return "about growth that names an instance";
    if (!provider_text_valid(signal->text) || !*signal->text)
        return "without a sentence";
    return signal->at_ms < 0 ? "at a time before all times" : NULL;
}

static int32_t take_signal(void *arg, const struct flt_signal *raw)
{
    struct flt_signal signal = { 0 };
    struct kit_call *call = arg;
    const char *wrong;

    if (!kit_sink_usable(call, raw) || !kit_has_size(call, raw->struct_size, FLT_SIGNAL_SIZE_1_0))
        return 1;
    memcpy(&signal, raw, MIN((size_t) raw->struct_size, sizeof(signal)));
    wrong = judge_signal(&signal);
    if (wrong)
        kit_fail(call->kit, "signals emitted one %s", wrong);
    else if (++call->n_signals > KIT_IDS_MAX)
        kit_fail(call->kit, "signals emitted more than %d", KIT_IDS_MAX);
    call->stopped = call->stop;
    return kit_wants_more(call);
}

int32_t kit_open(struct kit *kit, struct kit_how how, const char *plugin_config,
                 struct kit_call **ret_call)
{
    const char *connector = kit->options->connector_config ? kit->options->connector_config : "{}";
    struct kit_call *call = kit_begin(kit, "open", how);
    const char *lent = kit_lend(call, plugin_config), *lent_connector = kit_lend(call, connector);
    int32_t code;

    kit->group = NULL;
    code = kit->provider.open(kit->host, kit_call_ptr(call), lent, lent_connector, &kit->group);
    *ret_call = call;
    (void) kit_end(call, code);
    if (code == FLT_OK && !kit->group)
        kit_fail(kit, "open returned FLT_OK without a group");
    if (code != FLT_OK)
        kit->group = NULL;
    return code;
}

void kit_close(struct kit *kit)
{
    struct kit_call *call;

    if (!kit->group)
        return;
    call = kit_begin(kit, "close", (struct kit_how) { 0 });
    kit->provider.close(take_ptr(kit->group));
    (void) kit_end(call, FLT_OK);
}

int32_t kit_list(struct kit *kit, struct kit_how how, struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "list", how);

    return kit_end(call, kit->provider.list(kit->group, kit_call_ptr(call), take_instance, call));
}

void kit_list_once(struct kit *kit)
{
    struct kit_call *call;

    if (kit_list(kit, (struct kit_how) { 0 }, &call) != FLT_OK)
        kit_fail_result(call);
}

void kit_live(struct kit *kit)
{
    struct kit_call *call;

    if (kit_open(kit, (struct kit_how) { 0 }, kit_plugin_config(kit), &call) != FLT_OK) {
        kit_fail_result(call);
        return;
    }
    kit_list_once(kit);
    kit_close(kit);
}

int32_t kit_increase(struct kit *kit, struct kit_how how, uint32_t n, uint32_t *ret_accepted,
                     struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "increase", how);

    *ret_accepted = UINT32_MAX; /* must be written also when an error is returned */
    (void) kit_end(call, kit->provider.increase(kit->group, kit_call_ptr(call), n, ret_accepted));
    if (*ret_accepted == UINT32_MAX)
        kit_fail(kit, "increase did not write how many it accepted");
    else if (*ret_accepted > n)
        kit_fail(kit, "increase accepted %" PRIu32 " of %" PRIu32, *ret_accepted, n);
    return call->code;
}

int32_t kit_decrease(struct kit *kit, struct kit_how how, char *const *ids, size_t n,
                     struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "decrease", how);
    const char **lent = kit_alloc(n * sizeof(*lent));

    for (size_t i = 0; i < n; i++)
        lent[i] = kit_lend(call, ids[i]);
    (void) kit_end(call, kit->provider.decrease(kit->group, kit_call_ptr(call), lent, (uint32_t) n,
                                                take_id, call));
    for (size_t i = 0; i < n; i++)
        lent[i] = kit_copy("\1"); /* nor may the array be kept */
    for (size_t i = 0; i < call->emitted.n; i++) {
        bool asked = false;

        for (size_t j = 0; j < n; j++)
            asked |= strcmp(ids[j], call->emitted.items[i].id) == 0;
        if (!asked)
            kit_fail(kit, "decrease accepted %s, which was not asked for",
                     call->emitted.items[i].id);
    }
    return call->code;
}

int32_t kit_connect_info(struct kit *kit, struct kit_how how, const char *id,
                         struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "connect_info", how);
    const char *lent = kit_lend(call, id);

    return kit_end(
        call, kit->provider.connect_info(kit->group, kit_call_ptr(call), lent, take_connect, call));
}

int32_t kit_heartbeat(struct kit *kit, struct kit_how how, const char *id,
                      struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "heartbeat", how);
    const char *lent = kit_lend(call, id);

    return kit_end(call, kit->provider.heartbeat(kit->group, kit_call_ptr(call), lent));
}

int32_t kit_signals(struct kit *kit, struct kit_how how, struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "signals", how);

    return kit_end(call, kit->provider.signals(kit->group, kit_call_ptr(call), take_signal, call));
}
