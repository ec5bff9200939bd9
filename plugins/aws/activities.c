/* activities.c - which launches of the group have failed lately: AWS accepts a desired capacity and fails later, in its
 * scaling activities. signals.c tells them. */

#include "aws.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sdk/lib/aws_xml.h"

#define LOOK_BACK "20"
#define OF_NOW_MS (INT64_C(10) * 60 * 1000) /* an older failure says nothing of today */

int64_t time_parse(const char *text)
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

/* A launch that failed is growth that fails; the newest comes first and is enough. */
static bool take_activity(xmlNodePtr activity, struct flt_signal_list *ret)
{
    const char *status = text_at(activity, "StatusCode");
    const char *what = text_at(activity, "Description");
    const char *end = text_at(activity, "EndTime");
    int64_t at_ms = time_parse(*end ? end : text_at(activity, "StartTime"));
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

int32_t activities_read(struct flt_group *g, struct flt_signal_list *ret)
{
    struct flt_aws_param params[] = {
        { "AutoScalingGroupName", g->options.name },
        { "MaxRecords", LOOK_BACK },
    };
    struct aws_ask ask = AWS_REPEATABLE("autoscaling", "DescribeScalingActivities", params);
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
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
    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        if (take_activity(at, ret))
            break;
    xmlFreeDoc(doc);
    return FLT_OK;
}
