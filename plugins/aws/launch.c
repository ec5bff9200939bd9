/* launch.c - what the group launches: Macs or not, also while it is empty. They come on hosts that are charged for by the
 * day, so provider.c tells another price of time. */

#include "aws.h"

#include <string.h>

#include "sdk/lib/xml.h"

/* What says which type an instance has. */
struct question {
    struct aws_ask ask;
    enum aws_right right;
    const char *list, *item, *type; /* in the answer */
};

static bool is_mac(const char *type)
{
    return strncmp(type, "mac", 3) == 0;
}

static bool has_mac(const struct aws_view *view)
{
    xmlNodePtr list = flt_xml_find(view->group, "MixedInstancesPolicy/LaunchTemplate/Overrides");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        if (is_mac(text_at(at, "InstanceType")))
            return true;
    for (size_t i = 0; i < view->n; i++)
        if (is_mac(view->members[i].type))
            return true;
    return false;
}

/* Whether AWS's answer names a Mac. What cannot be asked is none: as of any other machine. */
static bool asks_mac(struct flt_group *g, const struct question *question)
{
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    int32_t code =
        g->denied[question->right] ? FLT_E_AUTH : aws_ask(g, &question->ask, &doc, &error);
    xmlNodePtr item =
        doc ? flt_xml_next(flt_xml_find(flt_xml_root(doc), question->list), question->item, NULL)
            : NULL;
    bool found = item && is_mac(text_at(item, question->type));

    xmlFreeDoc(doc);
    if (g->denied[question->right])
        return false;
    if (aws_is_denied(code, &error))
        aws_note_denied(g, question->right, &error);
    else if (code != FLT_OK)
        aws_log(g, FLT_LOG_WARNING,
                "whether group '%s' launches Macs is not known: %s; "
                "connector_config.os says it",
                g->options.name, error.text);
    return found;
}

static bool template_is_mac(struct flt_group *g, xmlNodePtr template)
{
    const char *version = text_at(template, "Version");
    struct flt_aws_param params[] = {
        { "LaunchTemplateId", text_at(template, "LaunchTemplateId") },
        { "LaunchTemplateVersion.1", *version ? version : "$Default" },
    };
    const struct question question = {
        AWS_REPEATABLE("ec2", "DescribeLaunchTemplateVersions", params), AWS_RIGHT_TEMPLATE,
        "launchTemplateVersionSet", "item", "launchTemplateData/instanceType"
    };

    return asks_mac(g, &question);
}

static bool configuration_is_mac(struct flt_group *g, const char *name)
{
    struct flt_aws_param params[] = { { "LaunchConfigurationNames.member.1", name } };
    const struct question question = {
        AWS_REPEATABLE("autoscaling", "DescribeLaunchConfigurations", params),
        AWS_RIGHT_CONFIGURATION, "DescribeLaunchConfigurationsResult/LaunchConfigurations",
        "member", "InstanceType"
    };

    return asks_mac(g, &question);
}

bool launch_is_mac(struct flt_group *g, const struct aws_view *view)
{
    const char *configuration = text_at(view->group, "LaunchConfigurationName");
    xmlNodePtr mixed = flt_xml_find(view->group, "MixedInstancesPolicy/LaunchTemplate");
    xmlNodePtr template = mixed ? flt_xml_find(mixed, "LaunchTemplateSpecification")
                                : flt_xml_find(view->group, "LaunchTemplate");

    if (g->options.connector.os)
        return strcmp(g->options.connector.os, "darwin") == 0;
    if (view->n > 0 || flt_xml_find(mixed, "Overrides/member/InstanceType"))
        return has_mac(view);
    if (template)
        return template_is_mac(g, template);
    return *configuration && configuration_is_mac(g, configuration);
}
