/* epoch.c - which manager holds the group: its epoch and its name, in a tag of the group where the rights allow it; the
 * epoch also in the file of the orders.
 *
 *   flotilla:epoch = "EPOCH", or "EPOCH/ID@MACHINE"
 *
 * Epochs rise with each start of a manager, also over the loss of its ledger. They tell a manager from its own successor,
 * and not from another: any newer ledger has a newer epoch, and its manager would remove as strangers the instances that
 * the first one's jobs run on. So a group that another one holds is left alone until a person says that it may be taken. */

#include "aws.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/manager.h"
#include "sdk/lib/xml.h"

#define FORGET                                                                                     \
    "aws autoscaling delete-tags --tags "                                                          \
    "ResourceId='%.64s',ResourceType=auto-scaling-group,Key=" AWS_EPOCH_TAG

static const char *own_name(struct flt_group *g)
{
    return flt_manager_name(g->host, g->call);
}

static bool same_manager(const char *a, const char *b)
{
    size_t len = flt_manager_id_len(a);

    return len == flt_manager_id_len(b) && strncmp(a, b, len) == 0;
}

static void take_value(const char *value, struct aws_view *view)
{
    const char *at = value;

    for (view->epoch = 0; *at >= '0' && *at <= '9' && view->epoch < INT64_MAX / 10; at++)
        view->epoch = 10 * view->epoch + (*at - '0');
    if (*at == '/')
        (void) snprintf(view->holder, sizeof(view->holder), "%s", at + 1);
}

void epoch_read(xmlNodePtr group, struct aws_view *view)
{
    xmlNodePtr tags = flt_xml_find(group, "Tags");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(tags, "member", at));)
        if (strcmp(text_at(at, "Key"), AWS_EPOCH_TAG) == 0)
            take_value(text_at(at, "Value"), view);
}

static bool is_foreign(struct flt_group *g, const struct aws_view *view)
{
    return *view->holder && !same_manager(view->holder, own_name(g));
}

int32_t epoch_check_holder(struct flt_group *g, const struct aws_view *view)
{
    if (!is_foreign(g, view) || (g->options.take_over && *own_name(g)))
        return FLT_OK;
    return aws_fail(g, FLT_E_STALE, 0,
                    "group '%.64s' is held by another manager, %s (this one: %s), whose instances "
                    "and jobs this one would remove: give each manager a group of its own. When "
                    "that one is gone for good: " FORGET,
                    g->options.name, view->holder, *own_name(g) ? own_name(g) : "a command",
                    g->options.name);
}

static int32_t write_tag(struct flt_group *g, int64_t epoch)
{
    char value[24 + AWS_HOLDER_MAX];
    const char *name = own_name(g);
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

    (void) snprintf(value, sizeof(value), "%" PRIi64 "%s%s", epoch, *name ? "/" : "", name);
    code = aws_ask(g, &ask, &doc, &error);
    xmlFreeDoc(doc);
    if (aws_is_denied(code, &error)) {
        aws_note_denied(g, AWS_RIGHT_TAG, &error);
        return FLT_OK;
    }
    return code == FLT_OK ? FLT_OK : aws_refused(g, code, &error);
}

static int32_t claim(struct flt_group *g, const struct aws_view *view, int64_t epoch)
{
    if (g->denied[AWS_RIGHT_TAG] ||
        (view->epoch == epoch && same_manager(view->holder, own_name(g))))
        return FLT_OK;
    if (is_foreign(g, view))
        aws_log(g, FLT_LOG_WARNING, "group '%.64s' is taken over from manager %s", g->options.name,
                view->holder);
    return write_tag(g, epoch);
}

/* Of a manager that is gone nothing else takes it away: not a look, not a start. */
static int32_t refuse_older(struct flt_group *g, const struct aws_view *view, int64_t mine)
{
    bool tag = view->epoch > mine, file = g->orders.epoch > mine;
    char forget[256] = "";

    if (tag)
        (void) snprintf(forget, sizeof(forget), FORGET, g->options.name);
    return aws_fail(g, FLT_E_STALE, 0,
                    "group '%.64s' is held by epoch %" PRIi64 "%s%s, this host has %" PRIi64
                    ": another flotilla serves it; when that one is gone for good: %s%s%s%s",
                    g->options.name, tag ? view->epoch : g->orders.epoch,
                    *view->holder ? " of " : "", view->holder, mine, forget,
                    tag && file ? "; " : "", file ? "rm " : "", file ? g->file : "");
}

int32_t group_admit(struct flt_group *g, const struct aws_view *view)
{
    int64_t mine = g->host->epoch(g->call);
    int32_t code = epoch_check_holder(g, view);

    if (code != FLT_OK)
        return code;
    if (mine < view->epoch || mine < g->orders.epoch)
        return refuse_older(g, view, mine);
    if (mine > g->orders.epoch) {
        g->orders.epoch = mine;
        code = orders_store(g);
    }
    return code == FLT_OK ? claim(g, view, mine) : code;
}
