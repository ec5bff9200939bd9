/* protect.c - scale-in protection: members that AWS may take of its own accord are protected, where the group does not
 * do it itself and the rights allow it. TerminateInstanceInAutoScalingGroup takes protected ones, too.
 *
 * It rides along with a list, which nothing waits for any longer than it must: a short time, and a pause after a
 * failure. AWS refuses a call as a whole for one instance that is on its way out. */

#include "aws.h"

#include <stdio.h>

#define BATCH 50 /* the most that one call takes */
#define LIMIT_MS 2000

/* What is left of the call, and no more than LIMIT_MS of it. */
struct limit {
    const struct flt_watch *call;
    int64_t end_ms;
};

static int64_t limit_left_ms(void *arg)
{
    const struct limit *limit = arg;
    int64_t own = limit->end_ms - flt_monotonic_ms(), left = flt_watch_left_ms(limit->call);

    return own < left ? own : left;
}

static int limit_cancel_fd(void *arg)
{
    const struct limit *limit = arg;

    return flt_watch_cancel_fd(limit->call);
}

static int32_t protect(struct flt_group *g, const char *const *ids, size_t n,
                       const struct flt_watch *watch, struct flt_aws_error *error)
{
    char names[BATCH][48];
    struct flt_aws_param params[BATCH + 2] = {
        { "AutoScalingGroupName", g->options.name },
        { "ProtectedFromScaleIn", "true" },
    };
    struct aws_ask ask = { .service = "autoscaling",
                           .action = "SetInstanceProtection",
                           .params = params,
                           .n_params = n + 2,
                           .repeatable = true,
                           .watch = watch };
    xmlDocPtr doc = NULL;
    int32_t code;

    for (size_t i = 0; i < n; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "InstanceIds.member.%zu", i + 1);
        params[i + 2] = (struct flt_aws_param) { names[i], ids[i] };
    }
    code = aws_ask(g, &ask, &doc, error);
    xmlFreeDoc(doc);
    return code;
}

/* Those of `ids` that AWS does protect, when there is one that it does not: by halves, until that one is alone. */
static int32_t protect_most(struct flt_group *g, const char *const *ids, size_t n,
                            const struct flt_watch *watch, struct flt_aws_error *error)
{
    int32_t code = protect(g, ids, n, watch, error), rest;
    struct flt_aws_error other = { 0 };

    if (code != FLT_E_INVALID || n == 1)
        return code;
    code = protect_most(g, ids, n / 2, watch, error);
    if (code != FLT_OK && code != FLT_E_INVALID)
        return code;
    rest = protect_most(g, ids + n / 2, n - n / 2, watch, &other);
    if (rest == FLT_OK)
        return code;
    *error = other;
    return rest;
}

void protect_members(struct flt_group *g, const struct aws_view *view)
{
    struct limit limit = { .call = &g->watch, .end_ms = flt_monotonic_ms() + LIMIT_MS };
    struct flt_watch watch = { limit_left_ms, limit_cancel_fd, &limit };
    struct flt_aws_error error = { 0 };
    struct aws_failure failure = { 0 };
    const char *ids[BATCH];
    size_t n = 0;
    int32_t code;

    for (size_t i = 0; i < view->n && n < BATCH; i++)
        if (view->members[i].state == FLT_STATE_RUNNING && !view->members[i].protected)
            ids[n++] = view->members[i].id;
    if (n == 0 || g->denied[AWS_RIGHT_PROTECT] ||
        pause_lasts(&g->protect_pause, flt_monotonic_ms()))
        return;
    code = protect_most(g, ids, n, &watch, &error);
    if (code == FLT_OK) {
        pause_end(&g->protect_pause);
        return;
    }
    failure.retry_after_ms = error.retry_after_ms;
    pause_begin(&g->protect_pause, &failure, flt_monotonic_ms());
    if (aws_is_denied(code, &error))
        aws_note_denied(g, AWS_RIGHT_PROTECT, &error);
    else
        aws_log(g, FLT_LOG_DEBUG, "not all instances are protected from scale-in yet: %s, retrying",
                error.text);
}
