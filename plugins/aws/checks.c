/* checks.c - whether the group is one that flotilla can rule over: looked at when it is opened. What cannot work is
 * refused, what will cost jobs one day is warned of; each with what to do. */

#include "aws.h"

#include <inttypes.h>
#include <string.h>

#include "sdk/lib/xml.h"

static int64_t number_at(xmlNodePtr node, const char *path)
{
    int64_t number = 0;

    (void) flt_xml_opt_i64(node, path, INT64_MIN, INT64_MAX, &number, NULL);
    return number;
}

static bool flag_at(xmlNodePtr node, const char *path)
{
    int flag = 0;

    (void) flt_xml_opt_bool(node, path, &flag, NULL);
    return flag;
}

static size_t count_members(xmlNodePtr list)
{
    size_t n = 0;

    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        n++;
    return n;
}

static bool is_suspended(xmlNodePtr group, const char *process)
{
    xmlNodePtr list = flt_xml_find(group, "SuspendedProcesses");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        if (strcmp(text_at(at, "ProcessName"), process) == 0)
            return true;
    return false;
}

static bool has_weights(xmlNodePtr group)
{
    const char *unit = text_at(group, "DesiredCapacityType");
    xmlNodePtr list = flt_xml_find(group, "MixedInstancesPolicy/LaunchTemplate/Overrides");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        if (number_at(at, "WeightedCapacity") > 1)
            return true;
    return *unit && strcmp(unit, "units") != 0;
}

static int32_t refuse_impossible(struct flt_group *g, const struct aws_view *view)
{
    const char *name = g->options.name;

    if (*text_at(view->group, "Status"))
        return aws_fail(g, FLT_E_INVALID, 0, "group '%s' is being deleted (%.100s)", name,
                        text_at(view->group, "Status"));
    if (view->min > 0)
        return aws_fail(g, FLT_E_INVALID, 0,
                        "group '%s' has a minimum size of %" PRIi64
                        ", so AWS replaces what flotilla removes: " AWS_UPDATE_GROUP "--min-size 0",
                        name, view->min, name);
    if (view->max == 0)
        return aws_fail(g, FLT_E_INVALID, 0,
                        "group '%s' has a maximum size of 0, so nothing can grow: " AWS_UPDATE_GROUP
                        "--max-size N, with at least max_instances",
                        name, name);
    if (has_weights(view->group))
        return aws_fail(g, FLT_E_INVALID, 0,
                        "group '%s' gives its instance types weights, or counts processors or "
                        "memory, so its desired capacity is no number of instances: take the "
                        "weights out of its mixed instances policy, with the unit \"units\"",
                        name);
    if (flag_at(view->group, "WarmPoolConfiguration/InstanceReusePolicy/ReuseOnScaleIn"))
        return aws_fail(g, FLT_E_INVALID, 0,
                        "group '%s' puts used instances back into its warm pool, where what jobs "
                        "left on them comes back: aws autoscaling put-warm-pool "
                        "--auto-scaling-group-name '%s' --instance-reuse-policy "
                        "ReuseOnScaleIn=false",
                        name, name);
    return FLT_OK;
}

static void warn_of_processes(struct flt_group *g, xmlNodePtr group)
{
    const char *name = g->options.name, *checks = text_at(group, "HealthCheckType");

    if (is_suspended(group, "Launch"))
        aws_log(g, FLT_LOG_WARNING,
                "the process Launch of group '%s' is suspended, so no instance comes: aws "
                "autoscaling resume-processes --auto-scaling-group-name '%s' --scaling-processes "
                "Launch",
                name, name);
    if (count_members(flt_xml_find(group, "AvailabilityZones")) > 1 &&
        !is_suspended(group, "AZRebalance"))
        aws_log(g, FLT_LOG_WARNING,
                "group '%s' may take busy instances to even out its zones: aws autoscaling "
                "suspend-processes --auto-scaling-group-name '%s' --scaling-processes AZRebalance",
                name, name);
    if ((strstr(checks, "ELB") || strstr(checks, "VPC_LATTICE")) &&
        !is_suspended(group, "ReplaceUnhealthy"))
        aws_log(g, FLT_LOG_WARNING,
                "a load balancer's health check may take busy instances of group "
                "'%s': " AWS_UPDATE_GROUP
                "--health-check-type EC2, or suspend its process ReplaceUnhealthy",
                name, name);
}

/* The host refuses a larger max_instances right behind this. */
static void tell_maximum(struct flt_group *g, const struct aws_view *view)
{
    aws_log(g, FLT_LOG_INFO,
            "group '%s' takes %" PRIi64 " instances at most; for more: " AWS_UPDATE_GROUP
            "--max-size N",
            g->options.name, view->max, g->options.name);
}

static void warn_of_settings(struct flt_group *g, xmlNodePtr group)
{
    const char *name = g->options.name;
    int64_t life = number_at(group, "MaxInstanceLifetime");

    if (!flag_at(group, "NewInstancesProtectedFromScaleIn"))
        aws_log(g, FLT_LOG_WARNING,
                "new instances of group '%s' are not protected from scale-in, so AWS may take "
                "busy ones: " AWS_UPDATE_GROUP "--new-instances-protected-from-scale-in",
                name, name);
    if (life > 0)
        aws_log(g, FLT_LOG_WARNING,
                "group '%s' replaces instances after %" PRIi64 " s, busy or not: " AWS_UPDATE_GROUP
                "--max-instance-lifetime 0",
                name, life, name);
    if (flag_at(group, "CapacityRebalance"))
        aws_log(g, FLT_LOG_NOTICE,
                "group '%s' replaces spot instances before they are interrupted, busy or not "
                "(capacity rebalancing); without it they get jobs for longer",
                name);
}

/* What AWS lets us ask is seen by asking; what it lets us change, at the first change. */
static int32_t check_right_to_connect(struct flt_group *g)
{
    struct flt_aws_param params[] = {
        { "Filter.1.Name", "tag:aws:autoscaling:groupName" },
        { "Filter.1.Value.1", g->options.name },
        { "MaxResults", "5" },
    };
    struct aws_ask ask = AWS_REPEATABLE("ec2", "DescribeInstances", params);
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    int32_t code = aws_ask(g, &ask, &doc, &error);

    xmlFreeDoc(doc);
    if (aws_is_denied(code, &error))
        return aws_fail(g, FLT_E_AUTH, 0,
                        "missing permission ec2:DescribeInstances: without it nobody knows how an "
                        "instance is reached; " FLOTILLA_DOCS
                        "/aws-policy.json has all rights (%s)",
                        error.text);
    return code == FLT_OK ? FLT_OK : aws_refused(g, code, &error);
}

static int32_t check_policies(struct flt_group *g)
{
    struct flt_aws_param params[] = { { "AutoScalingGroupName", g->options.name } };
    struct aws_ask ask = AWS_REPEATABLE("autoscaling", "DescribePolicies", params);
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    int32_t code = aws_ask(g, &ask, &doc, &error);
    xmlNodePtr list =
        doc ? flt_xml_find(flt_xml_root(doc), "DescribePoliciesResult/ScalingPolicies") : NULL;

    if (aws_is_denied(code, &error))
        aws_note_denied(g, AWS_RIGHT_POLICIES, &error);
    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        if (strcmp(text_at(at, "Enabled"), "false") != 0)
            aws_log(g, FLT_LOG_WARNING,
                    "the scaling policy '%.100s' changes the size of group '%s' behind flotilla's "
                    "back: aws autoscaling delete-policy --auto-scaling-group-name '%s' "
                    "--policy-name '%.100s'",
                    text_at(at, "PolicyName"), g->options.name, g->options.name,
                    text_at(at, "PolicyName"));
    xmlFreeDoc(doc);
    return code == FLT_OK || aws_is_denied(code, &error) ? FLT_OK : aws_refused(g, code, &error);
}

int32_t checks_at_open(struct flt_group *g, const struct aws_view *view)
{
    int32_t code;

    if ((code = refuse_impossible(g, view)) != FLT_OK ||
        (code = check_right_to_connect(g)) != FLT_OK || (code = check_policies(g)) != FLT_OK ||
        (code = signals_try(g)) != FLT_OK)
        return code;
    warn_of_processes(g, view->group);
    warn_of_settings(g, view->group);
    tell_maximum(g, view);
    return FLT_OK;
}
