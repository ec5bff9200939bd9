/* activities.c - what the group's scaling activities tell: launches that have failed lately, as AWS accepts a desired
 * capacity and fails later; and instances that the group takes out of its own accord, by a policy, a schedule, a
 * rebalancing, a refresh, a health check or a person, with the cause. signals.c tells them. */

#include "aws.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sdk/lib/xml.h"

#define LOOK_BACK "100" /* the most that one answer has */
#define TERMINATING "Terminating EC2 instance: "
#define OF_NOW_MS (INT64_C(10) * 60 * 1000) /* an older failure says nothing of today */

static int64_t time_parse(const char *text)
{
    struct tm tm = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t ms = 0;

    if (!rest)
        return 0;
    if (*rest == '.')
        for (int64_t unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10)
            ms += unit * (*rest - '0');
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "+00:00") != 0)
        return 0;
    return (int64_t) timegm(&tm) * 1000 + ms;
}

int64_t time_here(const struct flt_group *g, const char *text)
{
    int64_t at_ms = time_parse(text);

    return at_ms != 0 ? at_ms - flt_aws_client_skew_ms(g->client) : 0;
}

/* A launch that failed is growth that fails; the newest comes first and is enough. */
static bool take_launch(const struct flt_group *g, xmlNodePtr activity, struct flt_signal_list *ret)
{
    const char *status = text_at(activity, "StatusCode");
    const char *what = text_at(activity, "Description");
    const char *end = text_at(activity, "EndTime");
    int64_t at_ms = time_here(g, *end ? end : text_at(activity, "StartTime"));
    char text[512];

    if (strncmp(what, "Launching", 9) != 0)
        return false;
    if (strcmp(status, "Successful") == 0)
        return true; /* whatever failed before, growth works again */
    if (strcmp(status, "Failed") != 0 || at_ms < flt_wall_ms() - OF_NOW_MS)
        return false;
    (void) snprintf(text, sizeof(text), "AWS cannot start an instance: %s",
                    *text_at(activity, "StatusMessage") ? text_at(activity, "StatusMessage")
                                                        : "no reason is given");
    flt_signal_list_add(ret, "", at_ms, text);
    return true;
}

/* One that is on its way out, and it is not flotilla that wants it. */
static void take_removal(const struct flt_group *g, xmlNodePtr activity,
                         struct flt_signal_list *ret)
{
    const char *what = text_at(activity, "Description"), *cause = text_at(activity, "Cause");
    const struct aws_member *member;
    char id[AWS_ID_MAX], text[512];

    if (strncmp(what, TERMINATING, strlen(TERMINATING)) != 0 || *text_at(activity, "EndTime"))
        return;
    what += strlen(TERMINATING);
    (void) snprintf(id, sizeof(id), "%.*s", (int) strcspn(what, " ."),
                    what); /* "i-... - Waiting" */
    member = find_member(g->members, g->n_members, id);
    if (!member || member->released)
        return;
    (void) snprintf(text, sizeof(text), "AWS takes it out of the group: %s",
                    *cause ? cause : "no cause is given");
    flt_signal_list_add(ret, id, 0, text);
}

int32_t activities_read(struct flt_group *g, struct flt_signal_list *ret)
{
    struct flt_aws_param params[] = {
        { "AutoScalingGroupName", g->options.name },
        { "MaxRecords", LOOK_BACK },
    };
    struct aws_ask ask = AWS_REPEATABLE("autoscaling", "DescribeScalingActivities", params);
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    bool decided = false; /* whether growth works */
    int32_t code;
    xmlNodePtr list;

    if (g->denied[AWS_RIGHT_ACTIVITIES])
        return FLT_OK;
    code = aws_ask(g, &ask, &doc, &error);
    if (aws_is_denied(code, &error)) {
        aws_note_denied(g, AWS_RIGHT_ACTIVITIES, &error);
        return FLT_OK;
    }
    if (code != FLT_OK)
        return aws_refused(g, code, &error);
    list = flt_xml_find(flt_xml_root(doc), "DescribeScalingActivitiesResult/Activities");
    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));) {
        decided = decided || take_launch(g, at, ret);
        take_removal(g, at, ret);
    }
    xmlFreeDoc(doc);
    return FLT_OK;
}
