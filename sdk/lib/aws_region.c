/* sdk/lib/aws_region.c - the region that somebody has set, and who: settings, environment, profile. */
#include <stdio.h>

#include "sdk/lib/aws_endpoint.h"
#include "sdk/lib/aws_profiles.h"

int32_t flt_aws_region_take(struct flt_aws_ask *ask, const char *region, const char *source,
                            struct flt_aws_region *ret)
{
    if (!flt_aws_is_region(region))
        return flt_because(ask->why, FLT_E_INVALID,
                           "'%.64s' (%.300s) is no region: lower-case letters, digits and '-', "
                           "as in eu-west-1",
                           region, source);
    (void) snprintf(ret->name, sizeof(ret->name), "%s", region);
    (void) snprintf(ret->source, sizeof(ret->source), "%s", source);
    return FLT_OK;
}

static int32_t from_profile(struct flt_aws_ask *ask, struct flt_aws_region *ret)
{
    char source[FLT_ERROR_MAX];
    struct flt_aws_profiles profiles;
    struct flt_aws_setting set;
    int32_t code = flt_aws_profiles_open(ask, &profiles);

    if (code != FLT_OK)
        return code == FLT_E_NOT_FOUND ? FLT_OK : code;
    set = flt_aws_profile_get(&profiles, profiles.name, "region");
    if (set.value) {
        (void) snprintf(source, sizeof(source), "profile '%.64s' of %.300s", profiles.name,
                        set.path);
        code = flt_aws_region_take(ask, set.value, source, ret);
    }
    flt_aws_profiles_done(&profiles);
    return code;
}

int32_t flt_aws_region_configured(struct flt_aws_ask *ask, struct flt_aws_region *ret)
{
    static const char *const variables[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };

    *ret = (struct flt_aws_region) { 0 };
    if (ask->settings->region)
        return flt_aws_region_take(ask, ask->settings->region, "plugin_config", ret);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (flt_variable(variables[i]))
            return flt_aws_region_take(ask, flt_variable(variables[i]), variables[i], ret);
    return from_profile(ask, ret);
}
