/* sdk/check/contract_isolation.c - the checks of an isolation: it makes VMs of the configured image, by slot and
 * without, and removes them again.
 *
 * The slots are far from those of jobs, and what was there when we came stays. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/provider/check.h"
#include "sdk/check/isolation.h"

#define OUR_SLOT 1000003
#define LISTS 20
#define LIVES 10
#define MIDDLE_MS 10

static const struct kit_how plainly = { 0 };

static void check_exports(struct kit *kit)
{
    kit_check_exports(kit, FLT_ISOLATION_ENTRY);
}

static void check_load(struct kit *kit)
{
    struct error err = { 0 };

    if (plugin_load_isolation(kit->options->file, &kit->isolation, &err) < 0)
        kit_fail(kit, "%s", err.message);
    else if (!provider_text_valid(kit->isolation.name) ||
             !provider_text_valid(kit->isolation.version))
        kit_fail(kit, "its name or its version is no text");
    else if (kit->isolation.shutdown && !(kit->isolation.capabilities & FLT_ISOLATION_CAP_SHUTDOWN))
        kit_fail(kit, "it has the slot shutdown, but not the capability");
}

static void list_once(struct kit *kit)
{
    struct kit_call *call;

    if (vms_list(kit, plainly, &call) != FLT_OK)
        kit_fail_result(call);
}

static void check_open(struct kit *kit)
{
    struct kit_call *call;

    if (vms_open(kit, plainly, kit_plugin_config(kit), &call) != FLT_OK)
        kit_fail_result(call);
}

static void live(struct kit *kit)
{
    check_open(kit);
    if (kit->vms)
        list_once(kit);
    vms_close(kit);
}

/* The host's table of 1.0 ends where nothing can be read. */
static void check_first_host(struct kit *kit)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct flt_isolation whole = kit->isolation;
    struct flt_isolation_host *host;

    if (whole.abi_minor_needed > 0) {
        kit_skip(kit, "it needs a host of 1.%u", whole.abi_minor_needed);
        return;
    }
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) < 0) {
        kit_fail(kit, "out of memory");
        return;
    }
    host = (struct flt_isolation_host *) (void *) (pages + page - FLT_ISOLATION_HOST_SIZE_1_0);
    memcpy(host, &kit_isolation_host, FLT_ISOLATION_HOST_SIZE_1_0);
    host->struct_size = FLT_ISOLATION_HOST_SIZE_1_0;
    host->abi_minor = 0;
    kit->isolation_host = host;
    live(kit);
    kit->isolation_host = &kit_isolation_host;
}

/* Its ids; a finding when they are not to be had. */
static struct kit_listing list(struct kit *kit)
{
    struct kit_call *call;

    if (vms_list(kit, plainly, &call) != FLT_OK)
        kit_fail_result(call);
    return call->emitted;
}

static void check_list(struct kit *kit)
{
    struct kit_listing first = list(kit), second = list(kit);

    kit->before = second;
    for (size_t i = 0; i < first.n; i++)
        if (!kit_find(&second, first.items[i].id))
            kit_fail(kit, "the second list lacks %s", first.items[i].id);
}

/* The image of the configuration; NULL and a skip without one. */
static const char *image_of(struct kit *kit)
{
    static json_t *config;
    const char *image = NULL;

    json_object_put(take_ptr(config));
    if (json_parse(kit_plugin_config(kit), strlen(kit_plugin_config(kit)), &config, NULL) == 0)
        (void) json_opt_str(config, "image", &image, NULL);
    if (!image)
        kit_skip(kit, "the configuration names no \"image\" to make VMs of");
    return image;
}

/* The id of a new VM, which is noted; NULL after a finding. */
static const char *create(struct kit *kit, int32_t slot, struct kit_call **ret_call)
{
    const char *image = image_of(kit);

    *ret_call = NULL;
    if (!image)
        return NULL;
    if (vms_create(kit, plainly, image, slot, ret_call) != FLT_OK)
        kit_fail_result(*ret_call);
    if ((*ret_call)->emitted.n != 1)
        return NULL;
    kit_report(kit, "made", NULL, (*ret_call)->emitted.items[0].id);
    return (*ret_call)->emitted.items[0].id;
}

static void expect_listed(struct kit *kit, const char *id, bool wanted)
{
    struct kit_listing listing = list(kit);

    if ((kit_find(&listing, id) != NULL) != wanted)
        kit_fail(kit, wanted ? "list lacks the new VM %s" : "list still has %s", id);
}

static void check_create(struct kit *kit)
{
    struct kit_call *call;
    const char *id = create(kit, OUR_SLOT, &call);

    if (!id)
        return;
    if (kit_find(&kit->before, id))
        kit_fail(kit, "create emitted %s, which was there before", id);
    kit->made[kit->n_made++] = kit_copy(id);
    expect_listed(kit, id, true);
}

static void check_stomp(struct kit *kit)
{
    const char *old = kit->n_made > 0 ? kit->made[0] : NULL, *id;
    struct kit_call *call;

    id = create(kit, OUR_SLOT, &call);
    if (!id || !old)
        return;
    if (!str_eq(call->stomped, old))
        kit_fail(kit, "create in the slot of %s told the stomped id %s", old,
                 call->stomped ? call->stomped : "NULL");
    expect_listed(kit, old, false);
    expect_listed(kit, id, true);
    kit_report(kit, "gone", NULL, old);
    kit->made[0] = kit_copy(id);
}

static void check_no_slot(struct kit *kit)
{
    struct kit_call *call;
    const char *id = create(kit, FLT_SLOT_NONE, &call);

    if (!id)
        return;
    if (call->stomped)
        kit_fail(kit, "create without a slot stomped %s", call->stomped);
    kit->made[kit->n_made++] = kit_copy(id);
    expect_listed(kit, kit->made[0], true);
}

static void expect_stopped(const struct kit_call *call)
{
    if (call->code != FLT_OK && call->code != FLT_E_CANCELLED && call->code != FLT_E_TIMEOUT)
        kit_fail(call->kit, "%s that was cancelled returned %s: %s", call->verb,
                 kit_code_name(call->code), call->message);
}

/* A create that was cancelled may have made a VM that nobody was told of. */
static void remove_strangers(struct kit *kit)
{
    struct kit_listing listing = list(kit);

    for (size_t i = 0; i < listing.n; i++) {
        const char *id = listing.items[i].id;
        bool known = kit_find(&kit->before, id) != NULL;
        struct kit_call *call;

        for (size_t j = 0; j < kit->n_made; j++)
            known |= str_eq(kit->made[j], id);
        if (!known && vms_remove(kit, plainly, id, &call) != FLT_OK)
            kit_fail_result(call);
    }
}

static void check_cancel(struct kit *kit)
{
    static const struct kit_how hows[] = { { .cancelled = true },
                                           { .cancel_after_ms = MIDDLE_MS },
                                           { .deadline_ms = 1 } };

    for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
        const char *image = image_of(kit);
        struct kit_call *call;

        (void) vms_list(kit, hows[i], &call);
        expect_stopped(call);
        (void) vms_remove(kit, hows[i], KIT_UNKNOWN_ID, &call);
        expect_stopped(call);
        if (!image)
            continue;
        (void) vms_create(kit, hows[i], image, OUR_SLOT + 1, &call);
        expect_stopped(call);
    }
    remove_strangers(kit);
}

/* What follows from a sink that says stop is judged where the sinks are. */
static void check_sink_that_stops(struct kit *kit)
{
    struct kit_call *call;

    if (kit->n_made < 2)
        kit_skip(kit, "there are no two new VMs");
    else
        (void) vms_list(kit, (struct kit_how) { .stop = true }, &call);
}

static void check_remove(struct kit *kit)
{
    for (size_t i = 0; i < kit->n_made; i++)
        for (int again = 0; again < 2; again++) {
            struct kit_call *call;

            if (vms_remove(kit, plainly, kit->made[i], &call) != FLT_OK)
                kit_fail_result(call);
            else
                kit_report(kit, "gone", NULL, kit->made[i]);
            expect_listed(kit, kit->made[i], false);
        }
    if (kit->n_made == 0)
        kit_skip(kit, "there are no new VMs");
}

static void check_remove_unknown(struct kit *kit)
{
    struct kit_call *call;

    if (vms_remove(kit, plainly, KIT_UNKNOWN_ID, &call) != FLT_OK)
        kit_fail_result(call);
}

static void check_others(struct kit *kit)
{
    struct kit_listing listing = list(kit);

    for (size_t i = 0; i < kit->before.n; i++)
        if (!kit_find(&listing, kit->before.items[i].id))
            kit_fail(kit, "%s, which was there before, is gone", kit->before.items[i].id);
}

static void check_list_leaks(struct kit *kit)
{
    check_leaks(kit, "lists", LISTS, list_once);
}

static void check_close(struct kit *kit)
{
    vms_close(kit);
    check_leaks(kit, "times of open, list and close", LIVES, live);
}

const struct kit_check kit_checks_isolation[] = {
    { "one exported symbol", check_exports, false },
    { "loads and is admitted", check_load, true },
    { "works with a host of 1.0", check_first_host, false },
    { "open takes the given configuration and dials nobody", check_open, true },
    { "list is repeatable", check_list, true },
    { "create makes a VM that is listed", check_create, false },
    { "create in a slot that is held stomps its VM", check_stomp, false },
    { "create without a slot stomps nothing", check_no_slot, false },
    { "a cancel is honoured within a second", check_cancel, false },
    { "a sink that says stop is obeyed", check_sink_that_stops, false },
    { "remove removes, and again", check_remove, false },
    { "remove of an unknown id is accepted", check_remove_unknown, false },
    { "VMs of others stay", check_others, false },
    { "20 lists leak nothing", check_list_leaks, false },
    { "close gives everything back", check_close, false },
    { NULL, NULL, false },
};
