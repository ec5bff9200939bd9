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

struct member {
    const char *name;
    bool present;
};

static int check_members(const struct member *members, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!members[i].present)
            return error_set(err, FLT_E_ABI, "the required member '%s' is missing",
                             members[i].name);
    return 0;
}

static int check_required(const struct flt_provider *p, struct error *err)
{
    const struct member members[] = {
        { "name", p->name && *p->name },     { "version", p->version != NULL },
        { "open", p->open != NULL },         { "close", p->close != NULL },
        { "list", p->list != NULL },         { "increase", p->increase != NULL },
        { "decrease", p->decrease != NULL }, { "connect_info", p->connect_info != NULL },
    };

    return check_members(members, ARRAY_LEN(members), err);
}

/* What every descriptor begins with, of either kind. */
struct numbers {
    uint32_t magic, struct_size, abi_minor_needed;
};

static int check_numbers(const struct numbers *has, const struct numbers *wants, const char *kind,
                         struct error *err)
{
    if (has->magic != wants->magic)
        return error_set(err, FLT_E_ABI, "not a flotilla %s: magic is 0x%08x, not 0x%08x", kind,
                         has->magic, wants->magic);
    if (has->struct_size < wants->struct_size)
        return error_set(err, FLT_E_ABI, "descriptor has %u bytes, 1.0 has %u", has->struct_size,
                         wants->struct_size);
    if (has->abi_minor_needed > wants->abi_minor_needed)
        return error_set(err, FLT_E_ABI, "needs ABI 1.%u, this host has 1.%u",
                         has->abi_minor_needed, wants->abi_minor_needed);
    return 0;
}

int plugin_admit_provider(const struct flt_provider *raw, struct flt_provider *ret,
                          struct error *err)
{
    static const struct numbers wants = { FLT_PROVIDER_MAGIC, FLT_PROVIDER_SIZE_1_0,
                                          FLT_ABI_MINOR };
    struct flt_provider p = { 0 };
    int r;

    if (!raw)
        return error_set(err, FLT_E_ABI, "its entry function returned NULL");
    r = check_numbers(&(struct numbers) { raw->magic, raw->struct_size, raw->abi_minor_needed },
                      &wants, "provider", err);
    if (r < 0)
        return r;
    memcpy(&p, raw, MIN((size_t) raw->struct_size, sizeof(p))); /* an absent tail stays NULL */
    r = check_required(&p, err);
    if (r == 0)
        r = check_capabilities(&p, err);
    if (r < 0)
        return r;
    *ret = p;
    return 0;
}

int plugin_admit_isolation(const struct flt_isolation *raw, struct flt_isolation *ret,
                           struct error *err)
{
    static const struct numbers wants = { FLT_ISOLATION_MAGIC, FLT_ISOLATION_SIZE_1_0,
                                          FLT_ISOLATION_MINOR };
    struct flt_isolation p = { 0 };
    int r;

    if (!raw)
        return error_set(err, FLT_E_ABI, "its entry function returned NULL");
    r = check_numbers(&(struct numbers) { raw->magic, raw->struct_size, raw->abi_minor_needed },
                      &wants, "isolation", err);
    if (r < 0)
        return r;
    memcpy(&p, raw, MIN((size_t) raw->struct_size, sizeof(p)));
    r = check_members((const struct member[]) { { "name", p.name && *p.name },
                                                { "version", p.version != NULL },
                                                { "open", p.open != NULL },
                                                { "close", p.close != NULL },
                                                { "create", p.create != NULL },
                                                { "remove", p.remove != NULL },
                                                { "list", p.list != NULL } },
                      7, err);
    if (r < 0)
        return r;
    if ((p.capabilities & FLT_ISOLATION_CAP_SHUTDOWN) && !p.shutdown)
        return error_set(err, FLT_E_ABI, "claims shutdown, but the slot is NULL");
    *ret = p;
    return 0;
}
