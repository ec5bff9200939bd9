/* shrink.c - shrinking: each instance by its id, with the desired capacity going down by one. The desired capacity is
 * never lowered by itself: AWS would choose the victim (hardening.md R6). */

#include "aws.h"

#include <string.h>

#define IS_AT_IT "ScalingActivityInProgress"

/* What is left of the group while instances are taken out of it. */
struct shrinking {
    int64_t desired, counted;
};

static int32_t terminate(struct flt_group *g, const char *id, bool decrement,
                         struct flt_aws_error *error)
{
    struct flt_aws_param params[] = {
        { "InstanceId", id },
        { "ShouldDecrementDesiredCapacity", decrement ? "true" : "false" },
    };
    struct aws_ask ask = AWS_ONCE("autoscaling", "TerminateInstanceInAutoScalingGroup", params);
    xmlDocPtr doc = NULL;
    int32_t code;

    ask.final = IS_AT_IT;
    code = aws_ask(g, &ask, &doc, error);
    xmlFreeDoc(doc);
    return code;
}

/* Where there are more instances than are desired (somebody has lowered the number, or this one is in standby), AWS
 * replaces none, and a decrement would ask for one less than there should be, or be refused. */
static bool must_decrement(const struct shrinking *s, const struct aws_member *member)
{
    return member->counts && s->counted <= s->desired;
}

/* Whether AWS is at it already: by a call of ours that was cut off and came late, or of its own accord. */
static bool is_going(struct flt_group *g, const struct flt_aws_error *error, const char *id)
{
    struct aws_view view;
    const struct aws_member *member;
    bool ret;

    if (strcmp(error->code, IS_AT_IT) != 0)
        return false;
    ret = group_look(g, &view) == FLT_OK;
    member = find_member(view.members, view.n, id);
    ret = ret && (!member || member->state == FLT_STATE_DELETING);
    aws_view_done(&view);
    return ret;
}

static int32_t remove_member(struct flt_group *g, const struct aws_member *member,
                             struct shrinking *s)
{
    bool decrement = must_decrement(s, member), lowered = decrement && orders_lower(&g->orders);
    int32_t code = lowered ? orders_store(g) : FLT_OK;
    struct flt_aws_error error = { 0 };

    if (code != FLT_OK) {
        orders_raise(&g->orders);
        return code;
    }
    code = terminate(g, member->id, decrement, &error);
    if (code == FLT_OK || error.maybe_done) {
        s->desired -= decrement;
        s->counted -= member->counts;
    } else if (lowered) {
        orders_raise(&g->orders);
        (void) orders_store(g);
    }
    return code == FLT_OK || code == FLT_E_NOT_FOUND || is_going(g, &error, member->id)
               ? FLT_OK
               : aws_refused(g, code, &error);
}

/* Whether the next one is worth a try after such an answer: it was about that one instance. */
static bool goes_on(int32_t code)
{
    return code == FLT_OK || code == FLT_E_INVALID;
}

static int32_t shrink_from(struct flt_group *g, const struct aws_view *view, const char *const *ids,
                           uint32_t n, flt_id_sink accepted, void *arg)
{
    struct shrinking s = { .desired = view->desired, .counted = view->counted };
    int32_t code = FLT_OK, first = FLT_OK;

    for (uint32_t i = 0; goes_on(code) && i < n; i++) {
        const struct aws_member *member = find_member(view->members, view->n, ids[i]);

        code = flt_call_ended(g->host, g->call);
        if (code == FLT_OK)
            group_release(g, ids[i]);
        if (code == FLT_OK && member && member->state != FLT_STATE_DELETING)
            code = remove_member(g, member, &s);
        if (code == FLT_OK && accepted(arg, ids[i]) != 0)
            code = FLT_E_CANCELLED;
        if (first == FLT_OK || !goes_on(code))
            first = code;
    }
    return first;
}

int32_t shrink(struct flt_group *g, const char *const *ids, uint32_t n, flt_id_sink accepted,
               void *arg)
{
    struct aws_view view;
    int32_t code = group_look(g, &view);

    if (code == FLT_E_PARTIAL)
        code = FLT_E_UNAVAILABLE; /* one that is missing may yet be there */
    if (code == FLT_OK)
        code = group_admit(g, &view);
    if (code == FLT_OK)
        code = shrink_from(g, &view, ids, n, accepted, arg);
    aws_view_done(&view);
    return code;
}
