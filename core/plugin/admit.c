/* core/plugin/admit.c - whether a descriptor is one this host can call; the only place that reads
 * it raw.
 *
 * Each refusal is one branch, prints both values and has its test in
 * tests/abi/test_fixtures.c. */
#include <string.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"

static int check_capabilities(const struct flt_provider *p, struct error *err)
{
    if ((p->capabilities & FLT_CAP_HEARTBEAT) && !p->heartbeat)
        return error_set(err, FLT_E_ABI, "claims heartbeat, but the slot is NULL");
    if ((p->capabilities & FLT_CAP_SUSPEND_RESUME) && (!p->suspend || !p->resume))
        return error_set(err, FLT_E_ABI, "claims suspend and resume, but a slot is NULL");
    if ((p->capabilities & FLT_CAP_SIGNALS) && !p->signals)
        return error_set(err, FLT_E_ABI, "claims signals, but the slot is NULL");
    if ((p->capabilities & FLT_CAP_CONFIG_KEYS) && !p->config_keys)
        return error_set(err, FLT_E_ABI, "claims config_keys, but the slot is NULL");
    return 0;
}

static int check_required(const struct flt_provider *p, struct error *err)
{
    const struct {
        const char *name;
        bool present;
    } members[] = {
        { "name", p->name && *p->name },     { "version", p->version != NULL },
        { "open", p->open != NULL },         { "close", p->close != NULL },
        { "list", p->list != NULL },         { "increase", p->increase != NULL },
        { "decrease", p->decrease != NULL }, { "connect_info", p->connect_info != NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (!members[i].present)
            return error_set(err, FLT_E_ABI, "the required member '%s' is missing",
                             members[i].name);
    return 0;
}

int plugin_admit_provider(const struct flt_provider *raw, struct flt_provider *ret,
                          struct error *err)
{
    struct flt_provider p = { 0 };
    int r;

    if (!raw)
        return error_set(err, FLT_E_ABI, "its entry function returned NULL");
    if (raw->magic != FLT_PROVIDER_MAGIC)
        return error_set(err, FLT_E_ABI, "not a flotilla provider: magic is 0x%08x, not 0x%08x",
                         raw->magic, FLT_PROVIDER_MAGIC);
    if (raw->struct_size < FLT_PROVIDER_SIZE_1_0)
        return error_set(err, FLT_E_ABI, "descriptor has %u bytes, 1.0 has %u", raw->struct_size,
                         FLT_PROVIDER_SIZE_1_0);
    if (raw->abi_minor_needed > FLT_ABI_MINOR)
        return error_set(err, FLT_E_ABI, "needs ABI 1.%u, this host has 1.%u",
                         raw->abi_minor_needed, FLT_ABI_MINOR);
    memcpy(&p, raw, MIN((size_t) raw->struct_size, sizeof(p))); /* an absent tail stays NULL */
    r = check_required(&p, err);
    if (r == 0)
        r = check_capabilities(&p, err);
    if (r < 0)
        return r;
    *ret = p;
    return 0;
}
