/* ask.c - a call to AWS, and what becomes of its refusal: the sentence, and rights that are missing. */

#include "aws.h"

#include <string.h>

#include "sdk/lib/xml.h"

static const struct {
    const char *service, *version;
} versions[] = {
    { "autoscaling", "2011-01-01" },
    { "ec2", "2016-11-15" },
};

int32_t aws_ask(struct flt_group *g, const struct aws_ask *ask, xmlDocPtr *ret,
                struct flt_aws_error *error)
{
    struct flt_aws_call call = { .service = ask->service,
                                 .action = ask->action,
                                 .params = ask->params,
                                 .n_params = ask->n_params,
                                 .repeatable = ask->repeatable,
                                 .final = ask->final };

    for (size_t i = 0; i < COUNT(versions); i++)
        if (strcmp(ask->service, versions[i].service) == 0)
            call.version = versions[i].version;
    *error = (struct flt_aws_error) { 0 };
    return flt_aws_query(g->client, &call, ask->watch ? ask->watch : &g->watch, ret, error);
}

/* The credentials are good, but this is not allowed. */
bool aws_is_denied(int32_t code, const struct flt_aws_error *error)
{
    static const char *const codes[] = { "AccessDenied", "AccessDeniedException",
                                         "UnauthorizedOperation", "UnauthorizedAccess",
                                         "AuthException" }; /* EC2 Instance Connect's */

    for (size_t i = 0; code == FLT_E_AUTH && i < COUNT(codes); i++)
        if (strcmp(error->code, codes[i]) == 0)
            return true;
    return false;
}

int32_t aws_refused(struct flt_group *g, int32_t code, const struct flt_aws_error *error)
{
    return aws_fail(
        g, code, error->retry_after_ms, "%s%s", error->text,
        aws_is_denied(code, error) ? " (" FLOTILLA_DOCS "/aws-policy.json has the rights)" : "");
}

void aws_note_denied(struct flt_group *g, enum aws_right right, const struct flt_aws_error *error)
{
    static const char *const without[] = {
        [AWS_RIGHT_TAG] = "autoscaling:CreateOrUpdateTags: another manager of this group is not "
                          "noticed on other machines",
        [AWS_RIGHT_PROTECT] = "autoscaling:SetInstanceProtection: instances are protected only if "
                              "the group protects new ones",
        [AWS_RIGHT_ACTIVITIES] = "autoscaling:DescribeScalingActivities: nobody hears why "
                                 "instances that were ordered do not come",
        [AWS_RIGHT_POLICIES] = "autoscaling:DescribePolicies: scaling policies are not noticed",
        [AWS_RIGHT_STATUS] = "ec2:DescribeInstanceStatus: maintenance and retirement are not seen "
                             "before they happen",
        [AWS_RIGHT_SPOT] = "ec2:DescribeSpotInstanceRequests: interruptions of spot instances are "
                           "not seen before they happen",
        [AWS_RIGHT_CONSOLE] = "ec2:GetConsoleOutput: the first host key an instance shows is "
                              "trusted",
        [AWS_RIGHT_CONNECT] = "ec2-instance-connect:SendSSHPublicKey: instances must know the key "
                              "of connector_config.key_path already",
        [AWS_RIGHT_TEMPLATE] =
            "ec2:DescribeLaunchTemplateVersions: whether an empty group launches "
            "Macs is not known; connector_config.os says it",
        [AWS_RIGHT_CONFIGURATION] = "autoscaling:DescribeLaunchConfigurations: whether an empty "
                                    "group launches Macs is not known; connector_config.os says it",
        [AWS_RIGHT_REFRESH] = "autoscaling:DescribeInstanceRefreshes: instance refreshes are not "
                              "noticed before they take an instance",
    };

    if (g->denied[right])
        return;
    g->denied[right] = true;
    aws_log(g, FLT_LOG_WARNING, "missing permission %s (%s)", without[right], error->text);
}

const char *text_at(xmlNodePtr node, const char *path)
{
    const char *text = flt_xml_text(node, path);

    return text ? text : "";
}
