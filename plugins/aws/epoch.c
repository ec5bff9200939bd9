/* epoch.c - which flotilla holds the group: its epoch, in the file of the orders and, where the rights allow it, in a
 * tag of the group. Epochs rise with each start of a manager, also over the loss of its ledger. */

#include "aws.h"

#include <inttypes.h>
#include <stdio.h>

static int32_t write_tag(struct flt_group *g, int64_t epoch)
{
    char value[24];
    struct flt_aws_param params[] = {
        { "Tags.member.1.ResourceId", g->options.name },
        { "Tags.member.1.ResourceType", "auto-scaling-group" },
        { "Tags.member.1.Key", AWS_EPOCH_TAG },
        { "Tags.member.1.Value", value },
        { "Tags.member.1.PropagateAtLaunch", "false" },
    };
    struct aws_ask ask = AWS_REPEATABLE("autoscaling", "CreateOrUpdateTags", params);
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    int32_t code;

    (void) snprintf(value, sizeof(value), "%" PRIi64, epoch);
    code = aws_ask(g, &ask, &doc, &error);
    xmlFreeDoc(doc);
    if (aws_is_denied(code, &error)) {
        aws_note_denied(g, AWS_RIGHT_TAG, &error);
        return FLT_OK;
    }
    return code == FLT_OK ? FLT_OK : aws_refused(g, code, &error);
}

int32_t group_admit(struct flt_group *g, const struct aws_view *view)
{
    int64_t mine = g->host->epoch(g->call);
    int64_t seen = view->epoch > g->orders.epoch ? view->epoch : g->orders.epoch;
    int32_t code = FLT_OK;

    if (mine < seen)
        return aws_fail(g, FLT_E_STALE, 0,
                        "group '%.64s' is held by epoch %" PRIi64 ", this host has %" PRIi64
                        ": another flotilla serves it; when that one is gone for good: aws "
                        "autoscaling delete-tags --tags ResourceId='%.64s',ResourceType="
                        "auto-scaling-group,Key=" AWS_EPOCH_TAG,
                        g->options.name, seen, mine, g->options.name);
    if (mine > g->orders.epoch) {
        g->orders.epoch = mine;
        code = orders_store(g);
    }
    if (code == FLT_OK && mine > view->epoch && mine > g->tagged_epoch &&
        !g->denied[AWS_RIGHT_TAG]) {
        code = write_tag(g, mine);
        if (code == FLT_OK)
            g->tagged_epoch = mine;
    }
    return code;
}
