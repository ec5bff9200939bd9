/* sdk/lib/verdict.h - what follows from a failed call to a cloud, whatever the cloud: by what it names its errors, which is
 * the business of aws_error.c and google_error.c, else by the HTTP status. Pure. Followed by attempts.c.
 */
#ifndef FLOTILLA_LIB_VERDICT_H
#define FLOTILLA_LIB_VERDICT_H

#include <stddef.h>
#include <stdint.h>

struct flt_verdict {
    int32_t result;   /* FLT_E_* */
    int is_transient; /* the same call may go well in a while */
    int is_refused;   /* the service did nothing: another attempt does no harm */
    int is_throttled;
    int is_key_refused; /* other keys may serve: those of today */
    int is_clock;       /* perhaps the clock of one of both is wrong */
    const char *advice; /* what to do, NULL = unknown; without a full stop */
};

enum flt_fault_kind {
    FLT_FAULT_THROTTLED, /* nothing was done */
    FLT_FAULT_BUSY,      /* something else goes on; nothing was done */
    FLT_FAULT_FAILED,    /* the service's own fault, with or without an effect */
    FLT_FAULT_OLD_KEY,   /* another may serve */
    FLT_FAULT_BAD_KEY,   /* another may serve, or the clock is wrong */
    FLT_FAULT_NO_RIGHT,
    FLT_FAULT_MISSING,
    FLT_FAULT_EARLY, /* something is still starting: the host asks again, not this call */
    FLT_FAULT_FULL,
    FLT_FAULT_WRONG,
};
struct flt_verdict flt_verdict_of(enum flt_fault_kind kind);
struct flt_verdict flt_verdict_of_status(long status);

struct flt_fault_rule {
    const char *name;
    const char *message; /* a part of it; NULL = any */
    enum flt_fault_kind kind;
    const char *advice; /* NULL = unknown */
};
/* 1 and what follows from the first that fits; else 0. */
int flt_verdict_by_rule(const struct flt_fault_rule *rules, size_t n, const char *name,
                        const char *message, struct flt_verdict *ret);

#endif
