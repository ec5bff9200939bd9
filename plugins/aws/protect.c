/* protect.c - scale-in protection: members that AWS may take of its own accord are protected, where the group does not
 * do it itself and the rights allow it. TerminateInstanceInAutoScalingGroup takes protected ones, too. */

#include "aws.h"

#include <stdio.h>

#define BATCH 50 /* the most that one call takes */

static int32_t protect(struct flt_group *g, const char *const *ids, size_t n,
                       struct flt_aws_error *error)
{
    char names[BATCH][32];
    struct flt_aws_param params[BATCH + 2] = {
        { "AutoScalingGroupName", g->options.name },
        { "ProtectedFromScaleIn", "true" },
    };
    struct aws_ask ask = { .service = "autoscaling",
                           .action = "SetInstanceProtection",
                           .params = params,
                           .n_params = n + 2,
                           .repeatable = true };
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

void protect_members(struct flt_group *g, const struct aws_view *view)
{
    struct flt_aws_error error = { 0 };
    const char *ids[BATCH];
    size_t n = 0;
    int32_t code;

    for (size_t i = 0; i < view->n && n < BATCH; i++)
        if (view->members[i].state == FLT_STATE_RUNNING && !view->members[i].protected)
            ids[n++] = view->members[i].id;
    if (n == 0 || g->denied[AWS_RIGHT_PROTECT])
        return;
    code = protect(g, ids, n, &error);
    if (aws_is_denied(code, &error))
        aws_note_denied(g, AWS_RIGHT_PROTECT, &error);
    else if (code != FLT_OK)
        aws_log(g, FLT_LOG_DEBUG, "instances are not protected from scale-in yet: %s, retrying",
                error.text);
}
