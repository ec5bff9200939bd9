/* signals.c - what Google is going to take: members that are stopped, replaced, unhealthy or at the end of their time
 * (of the last list), and those whose hosts are worked on (maintenance.c); members that it cannot make; and growth that
 * fails (operations.c, failures.c).
 *
 * The host asks before each list; Google is asked every 15 s, and what it said is told again in between: the rate of
 * requests is one for the whole project. */

#include "gcp.h"

#define LOOK_EVERY_MS 15000
/* An instance whose time is limited is told of so long before its end: a job may run for an hour by GitLab's default. */
#define ENDS_SOON_MS (INT64_C(60) * 60 * 1000)

/* Those of the last list: it came a moment ago, or comes at once. */
static void add_members(const struct flt_group *g, struct flt_signal_list *ret)
{
    for (size_t i = 0; i < g->seen.n; i++) {
        const struct gcp_member *member = &g->seen.members[i];

        if (!member->listed || member->going)
            continue;
        if (*member->trouble)
            flt_signal_list_add(ret, member->id, 0, member->trouble);
        else if (member->ends_ms != 0 && member->ends_ms - flt_wall_ms() < ENDS_SOON_MS)
            flt_signal_list_add(ret, member->id, member->ends_ms, "the end of its time");
    }
}

static int32_t look(struct flt_group *g, struct flt_signal_list *ret)
{
    static int32_t (*const looks[])(struct flt_group *,
                                    struct flt_signal_list *) = { operations_read, failures_read,
                                                                  maintenance_read };
    int32_t code = FLT_OK, first = FLT_OK;

    for (size_t i = 0; i < COUNT(looks) && code != FLT_E_CANCELLED && code != FLT_E_TIMEOUT; i++) {
        code = looks[i](g, ret);
        if (first == FLT_OK)
            first = code;
    }
    return first;
}

/* Looks where it is time to. After a failure, too: asking at once would not make it better. */
static int32_t look_in_time(struct flt_group *g)
{
    struct flt_signal_list fresh = { 0 };
    int32_t code;

    if (g->signals_at_ms != 0 && flt_monotonic_ms() - g->signals_at_ms < LOOK_EVERY_MS)
        return g->signals_lack ? gcp_fail(g, FLT_E_PARTIAL, 0, "Google is asked again soon")
                               : FLT_OK;
    code = look(g, &fresh);
    if (code == FLT_E_CANCELLED || code == FLT_E_TIMEOUT) {
        flt_signal_list_done(&fresh); /* what was heard before is told on */
        return code;
    }
    flt_signal_list_done(&g->signals);
    g->signals = fresh;
    g->signals_lack = code != FLT_OK;
    g->signals_at_ms = flt_monotonic_ms();
    return code == FLT_OK ? FLT_OK : FLT_E_PARTIAL; /* why was said */
}

/* What could be heard is told also when something could not. */
int32_t signals_emit(struct flt_group *g, flt_signal_sink sink, void *arg)
{
    struct flt_signal_list of_members = { 0 };
    int32_t code = flt_call_ended(g->host, g->call), emitted;

    if (code == FLT_OK)
        code = look_in_time(g);
    if (code != FLT_OK && code != FLT_E_PARTIAL)
        return code;
    add_members(g, &of_members);
    emitted = flt_signal_list_emit(&g->signals, sink, arg);
    if (emitted == FLT_OK)
        emitted = flt_signal_list_emit(&of_members, sink, arg);
    flt_signal_list_done(&of_members);
    return emitted == FLT_OK ? code : emitted;
}
