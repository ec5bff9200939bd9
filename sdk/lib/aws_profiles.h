/* sdk/lib/aws_profiles.h - profiles of AWS's shared files, ~/.aws/config and ~/.aws/credentials: what the second says
 * goes before the first. Used by the sources of keys and by the region.
 */
#ifndef FLOTILLA_LIB_AWS_PROFILES_H
#define FLOTILLA_LIB_AWS_PROFILES_H

#include "sdk/lib/aws_sources.h"
#include "sdk/lib/ini_profile.h"

struct flt_aws_profiles {
    struct flt_ini *config, *credentials; /* NULL = there is no such file */
    char *config_path, *credentials_path;
    const char *name; /* of the profile that is asked; borrowed */
};

/* A value with its place, for sentences; the value is NULL where it is not set, or empty. */
struct flt_aws_setting {
    const char *value;
    const char *path;
    unsigned line;
};

/* FLT_E_NOT_FOUND when there is neither the profile nor a wish for it. */
int32_t flt_aws_profiles_open(struct flt_aws_ask *ask, struct flt_aws_profiles *ret);
void flt_aws_profiles_done(struct flt_aws_profiles *profiles);

int flt_aws_profile_exists(const struct flt_aws_profiles *profiles, const char *profile);
struct flt_aws_setting flt_aws_profile_get(const struct flt_aws_profiles *profiles,
                                           const char *profile, const char *key);
/* Of one file, whose sections the kind says: "profile" or "sso-session" in the first, NULL in the second. */
struct flt_aws_setting flt_aws_section_get(const struct flt_ini *ini, const char *kind,
                                           const char *name, const char *key);

/* Keys by credential_process or a cached sign-in (sso_...), which the profile has. */
int32_t flt_aws_from_process(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                             const char *profile, struct flt_aws_keys *ret);
int32_t flt_aws_from_sso(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                         const char *profile, struct flt_aws_keys *ret);

/* What a path of the home directory is, "~/.aws/config": the caller frees. NULL without memory or a home. */
char *flt_aws_home_path(const char *below);

#endif
