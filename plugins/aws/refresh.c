/* refresh.c - an instance refresh, by which AWS replaces the group's instances, may run: it is warned of when the group is
 * opened and with the signals, once each. Which instances it takes out, activities.c hears.
 *
 * It is no reason to refuse the group: who starts one wants new instances, and the jobs go on. Nothing is decided by it
 * either, so a cloud that cannot say changes nothing. */

#include "aws.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/xml.h"

static bool is_running(const char *status)
{
    static const char *const running[] = { "Pending", "InProgress", "RollbackInProgress",
                                           "Baking" };

    for (size_t i = 0; i < COUNT(running); i++)
        if (strcmp(status, running[i]) == 0)
            return true;
    return false;
}

static void warn_of(struct flt_group *g, xmlNodePtr refresh)
{
    const char *id = text_at(refresh, "InstanceRefreshId");
    const char *protected = text_at(refresh, "Preferences/ScaleInProtectedInstances");

    if (strcmp(id, g->refresh_told) == 0)
        return;
    (void) snprintf(g->refresh_told, sizeof(g->refresh_told), "%s", id);
    aws_log(g, FLT_LOG_WARNING,
            "an instance refresh of group '%s' is under way (%.40s, %.40s): it replaces %s, and "
            "their jobs fail: aws autoscaling cancel-instance-refresh --auto-scaling-group-name "
            "'%s'; instances used once or removed when idle are renewed without one",
            g->options.name, text_at(refresh, "Status"), id,
            strcmp(protected, "Refresh") == 0 ? "instances, busy or not"
                                              : "those not protected from scale-in, busy or not",
            g->options.name);
}

int32_t refresh_look(struct flt_group *g)
{
    struct flt_aws_param params[] = { { "AutoScalingGroupName", g->options.name } };
    struct aws_ask ask = AWS_REPEATABLE("autoscaling", "DescribeInstanceRefreshes", params);
    struct aws_failure failure = { 0 };
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    xmlNodePtr list;
    int32_t code;

    if (g->denied[AWS_RIGHT_REFRESH] || pause_lasts(&g->refresh_pause, flt_monotonic_ms()))
        return FLT_OK;
    code = aws_ask(g, &ask, &doc, &error);
    if (code == FLT_E_CANCELLED || code == FLT_E_TIMEOUT)
        return aws_refused(g, code, &error);
    if (aws_is_denied(code, &error))
        aws_note_denied(g, AWS_RIGHT_REFRESH, &error);
    if (code != FLT_OK) {
        failure.retry_after_ms = error.retry_after_ms;
        pause_begin(&g->refresh_pause, &failure, flt_monotonic_ms());
        return FLT_OK;
    }
    pause_end(&g->refresh_pause);
    list = flt_xml_find(flt_xml_root(doc), "DescribeInstanceRefreshesResult/InstanceRefreshes");
    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        if (is_running(text_at(at, "Status")))
            warn_of(g, at);
    xmlFreeDoc(doc);
    return FLT_OK;
}
