/* sdk/lib/aws_profiles.c - see aws_profiles.h. */
#include "sdk/lib/aws_profiles.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *flt_aws_home_path(const char *below)
{
    const char *home = flt_variable("HOME");
    struct passwd entry, *found = NULL;
    char names[1024], *path;

    if (!home && getpwuid_r(geteuid(), &entry, names, sizeof(names), &found) == 0 && found)
        home = found->pw_dir;
    return home && asprintf(&path, "%s/%s", home, below) >= 0 ? path : NULL;
}

/* The path that is set; what the shells write for the home directory is known, as to AWS's own tools. */
static char *copy_path(const char *path)
{
    return strncmp(path, "~/", 2) == 0 ? flt_aws_home_path(path + 2) : strdup(path);
}

static int32_t open_file(struct flt_aws_ask *ask, const char *set, const char *variable,
                         const char *usual, char **ret_path, struct flt_ini **ret)
{
    const char *other = flt_variable(variable);
    int32_t code;

    *ret_path = set ? copy_path(set) : other ? copy_path(other) : flt_aws_home_path(usual);
    if (!*ret_path)
        return flt_because(ask->why, FLT_E_INTERNAL, "no memory, or no home directory for ~/%s",
                           usual);
    code = flt_ini_read(*ret_path, ret, ask->why);
    if (code == FLT_E_NOT_FOUND)
        return set ? FLT_E_INVALID : FLT_OK;
    return code;
}

static int32_t open_files(struct flt_aws_ask *ask, struct flt_aws_profiles *ret)
{
    const struct flt_aws_settings *settings = ask->settings;
    int32_t code = open_file(ask, settings->config_file, "AWS_CONFIG_FILE", ".aws/config",
                             &ret->config_path, &ret->config);

    if (code != FLT_OK)
        return code;
    return open_file(ask, settings->credentials_file, "AWS_SHARED_CREDENTIALS_FILE",
                     ".aws/credentials", &ret->credentials_path, &ret->credentials);
}

static int32_t choose(struct flt_aws_ask *ask, struct flt_aws_profiles *profiles)
{
    const char *wanted = ask->settings->profile;

    if (!wanted)
        wanted = flt_variable("AWS_PROFILE");
    if (!wanted)
        wanted = flt_variable("AWS_DEFAULT_PROFILE");
    profiles->name = wanted ? wanted : "default";
    if (flt_aws_profile_exists(profiles, profiles->name))
        return FLT_OK;
    return flt_because(ask->why, wanted ? FLT_E_INVALID : FLT_E_NOT_FOUND,
                       "there is no profile '%.64s': neither [%s%.64s] in %.120s%s nor "
                       "[%.64s] in %.120s%s",
                       profiles->name, wanted ? "profile " : "", profiles->name,
                       profiles->config_path, profiles->config ? "" : " (no such file)",
                       profiles->name, profiles->credentials_path,
                       profiles->credentials ? "" : " (no such file)");
}

int32_t flt_aws_profiles_open(struct flt_aws_ask *ask, struct flt_aws_profiles *ret)
{
    int32_t code;

    *ret = (struct flt_aws_profiles) { 0 };
    code = open_files(ask, ret);
    if (code == FLT_OK)
        code = choose(ask, ret);
    if (code != FLT_OK)
        flt_aws_profiles_done(ret);
    return code;
}

void flt_aws_profiles_done(struct flt_aws_profiles *profiles)
{
    flt_ini_free(profiles->config);
    flt_ini_free(profiles->credentials);
    free(profiles->config_path);
    free(profiles->credentials_path);
    *profiles = (struct flt_aws_profiles) { 0 };
}

/* The file that configures everything says [profile NAME] and [default]. */
static const struct flt_ini_setting *find_configured(const struct flt_aws_profiles *profiles,
                                                     const char *profile, const char *key)
{
    const struct flt_ini_setting *found = flt_ini_find(profiles->config, "profile", profile, key);

    if (found || strcmp(profile, "default") != 0)
        return found;
    return flt_ini_find(profiles->config, NULL, profile, key);
}

int flt_aws_profile_exists(const struct flt_aws_profiles *profiles, const char *profile)
{
    return flt_ini_find(profiles->credentials, NULL, profile, NULL) ||
           find_configured(profiles, profile, NULL);
}

static struct flt_aws_setting place(const struct flt_ini *ini, const struct flt_ini_setting *found)
{
    if (!found || !*found->value)
        return (struct flt_aws_setting) { 0 };
    return (struct flt_aws_setting) { found->value, flt_ini_path(ini), found->line };
}

struct flt_aws_setting flt_aws_section_get(const struct flt_ini *ini, const char *kind,
                                           const char *name, const char *key)
{
    return place(ini, flt_ini_find(ini, kind, name, key));
}

struct flt_aws_setting flt_aws_profile_get(const struct flt_aws_profiles *profiles,
                                           const char *profile, const char *key)
{
    struct flt_aws_setting found = flt_aws_section_get(profiles->credentials, NULL, profile, key);

    return found.value ? found : place(profiles->config, find_configured(profiles, profile, key));
}
