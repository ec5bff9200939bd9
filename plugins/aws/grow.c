/* grow.c - growing: look, write the order down, ask for the desired capacity once; that the host has the answer is
 * written down when it calls again (hardening.md R6; the reckoning is orders.c). */

#include "aws.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int32_t set_desired(struct flt_group *g, int64_t target, struct flt_aws_error *error)
{
    char value[24];
    struct flt_aws_param params[] = {
        { "AutoScalingGroupName", g->options.name },
        { "DesiredCapacity", value },
        { "HonorCooldown", "false" },
    };
    /* Once: a number that somebody has passed meanwhile would shrink the group. */
    struct aws_ask ask = AWS_ONCE("autoscaling", "SetDesiredCapacity", params);
    xmlDocPtr doc = NULL;
    int32_t code;

    (void) snprintf(value, sizeof(value), "%" PRIi64, target);
    code = aws_ask(g, &ask, &doc, error);
    xmlFreeDoc(doc);
    return code;
}

/* AWS has refused: the order does not exist. */
static int32_t refuse(struct flt_group *g, const char *request_id, int32_t code,
                      const struct flt_aws_error *error)
{
    orders_forget(&g->orders, request_id);
    (void) orders_store(g);
    return aws_refused(g, code, error);
}

static int32_t order(struct flt_group *g, const char *request_id, const struct aws_growth *growth)
{
    bool is_repetition = orders_find(&g->orders, request_id) != NULL;
    struct flt_aws_error error = { 0 };
    int32_t code;

    orders_begin(&g->orders, request_id, growth, flt_monotonic_ms());
    code = orders_store(g);
    if (code == FLT_OK && growth->ask) {
        code = set_desired(g, growth->target, &error);
        /* What was asked for before may yet come of it, whatever becomes of this attempt. */
        if (code != FLT_OK)
            return error.maybe_done || is_repetition ? aws_refused(g, code, &error)
                                                     : refuse(g, request_id, code, &error);
    }
    if (code != FLT_OK)
        return code;
    (void) snprintf(g->answer_sent, sizeof(g->answer_sent), "%s", request_id);
    return FLT_OK;
}

static int32_t grow_from(struct flt_group *g, const struct aws_view *view, uint32_t n,
                         uint32_t *accepted)
{
    const char *request_id = g->host->request_id(g->call);
    struct aws_growth growth;
    int32_t code;

    if (!request_id || !*request_id || strlen(request_id) >= AWS_REQUEST_MAX)
        return aws_fail(g, FLT_E_INVALID, 0, "growing needs a request id of 1 to %d bytes",
                        AWS_REQUEST_MAX - 1);
    growth = orders_plan(&g->orders, view, request_id, n, flt_monotonic_ms());
    code = growth.accepted > 0 ? order(g, request_id, &growth) : FLT_OK;
    if (code != FLT_OK)
        return code;
    *accepted = growth.accepted < n ? growth.accepted : n;
    if (*accepted == n)
        return FLT_OK;
    return aws_fail(g, FLT_E_QUOTA, 0,
                    "the group's maximum is %" PRIi64 " and its desired capacity %" PRIi64
                    ": lower max_instances, or " AWS_UPDATE_GROUP "--max-size N",
                    view->max, growth.target > view->desired ? growth.target : view->desired,
                    g->options.name);
}

int32_t grow(struct flt_group *g, uint32_t n, uint32_t *ret_accepted)
{
    struct aws_view view;
    int32_t code = group_look(g, &view);

    *ret_accepted = 0;
    if (code == FLT_E_PARTIAL)
        code = FLT_E_UNAVAILABLE; /* what AWS owes is not known */
    if (code == FLT_OK)
        code = group_admit(g, &view);
    if (code == FLT_OK)
        code = grow_from(g, &view, n, ret_accepted);
    aws_view_done(&view);
    return code;
}
