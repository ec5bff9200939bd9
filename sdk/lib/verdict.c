/* sdk/lib/verdict.c - see verdict.h. */
#include "sdk/lib/verdict.h"

#include <flotilla/provider.h>
#include <string.h>

struct flt_verdict flt_verdict_of(enum flt_fault_kind kind)
{
    static const struct flt_verdict verdicts[] = {
        [FLT_FAULT_THROTTLED] = { .result = FLT_E_THROTTLED,
                                  .is_transient = 1,
                                  .is_refused = 1,
                                  .is_throttled = 1 },
        [FLT_FAULT_BUSY] = { .result = FLT_E_UNAVAILABLE,
                             .is_transient = 1,
                             .is_refused = 1,
                             .is_throttled = 1 },
        [FLT_FAULT_FAILED] = { .result = FLT_E_UNAVAILABLE, .is_transient = 1 },
        [FLT_FAULT_OLD_KEY] = { .result = FLT_E_AUTH, .is_refused = 1, .is_key_refused = 1 },
        [FLT_FAULT_BAD_KEY] = { .result = FLT_E_AUTH,
                                .is_refused = 1,
                                .is_key_refused = 1,
                                .is_clock = 1 },
        [FLT_FAULT_NO_RIGHT] = { .result = FLT_E_AUTH, .is_refused = 1 },
        [FLT_FAULT_MISSING] = { .result = FLT_E_NOT_FOUND, .is_refused = 1 },
        [FLT_FAULT_EARLY] = { .result = FLT_E_NOT_READY, .is_refused = 1 },
        [FLT_FAULT_FULL] = { .result = FLT_E_QUOTA, .is_refused = 1 },
        [FLT_FAULT_WRONG] = { .result = FLT_E_INVALID, .is_refused = 1 },
    };

    return verdicts[kind];
}

struct flt_verdict flt_verdict_of_status(long status)
{
    if (status == 429)
        return flt_verdict_of(FLT_FAULT_THROTTLED);
    if (status == 408 || status >= 500)
        return flt_verdict_of(FLT_FAULT_FAILED);
    if (status == 401 || status == 403)
        return flt_verdict_of(FLT_FAULT_NO_RIGHT);
    return flt_verdict_of(status == 404 ? FLT_FAULT_MISSING : FLT_FAULT_WRONG);
}

int flt_verdict_by_rule(const struct flt_fault_rule *rules, size_t n, const char *name,
                        const char *message, struct flt_verdict *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, rules[i].name) != 0 ||
            (rules[i].message && !strstr(message, rules[i].message)))
            continue;
        *ret = flt_verdict_of(rules[i].kind);
        ret->advice = rules[i].advice;
        return 1;
    }
    return 0;
}
