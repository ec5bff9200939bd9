/* sdk/lib/aws_source_profile.c - what a profile of the shared files says: a role, a sign-in, keys, or a program. A role
 * takes keys of another profile, which may have a role itself.
 */
#include <stdio.h>
#include <string.h>

#include "sdk/lib/aws_profiles.h"
#include "sdk/lib/aws_sts.h"

#define DEPTH_MAX 16

/* The profiles that led here. */
struct step {
    const char *profile;
    const struct step *before;
    unsigned depth;
};

struct walk {
    struct flt_aws_ask *ask;
    const struct flt_aws_profiles *profiles;
};

static int32_t ask_profile(const struct walk *walk, const struct step *step,
                           struct flt_aws_keys *ret);

static struct flt_aws_setting get(const struct walk *walk, const struct step *step, const char *key)
{
    return flt_aws_profile_get(walk->profiles, step->profile, key);
}

/* All three from one file: a token of one does not go with keys of the other. */
static int32_t take_keys(const struct walk *walk, const struct step *step, struct flt_aws_keys *ret)
{
    const struct flt_aws_profiles *profiles = walk->profiles;
    struct flt_aws_setting id = get(walk, step, "aws_access_key_id"), secret, token;
    int in_credentials =
        id.path && profiles->credentials && id.path == flt_ini_path(profiles->credentials);
    int32_t code;

    if (in_credentials) {
        secret = flt_aws_section_get(profiles->credentials, NULL, step->profile,
                                     "aws_secret_access_key");
        token =
            flt_aws_section_get(profiles->credentials, NULL, step->profile, "aws_session_token");
    } else {
        secret = get(walk, step, "aws_secret_access_key");
        token = get(walk, step, "aws_session_token");
    }
    if (!secret.value)
        return flt_because(walk->ask->why, FLT_E_INVALID,
                           "%.200s:%u: profile '%.64s' has aws_access_key_id and no "
                           "aws_secret_access_key there",
                           id.path, id.line, step->profile);
    code = flt_aws_keys_set(walk->ask, ret, id.value, secret.value, token.value);
    return code == FLT_OK
               ? flt_aws_keys_name(walk->ask, ret, "profile '%s' of %s", step->profile, id.path)
               : code;
}

static int32_t ask_named_source(const struct walk *walk, struct flt_aws_setting named,
                                struct flt_aws_keys *ret)
{
    static const struct {
        const char *name;
        flt_aws_source *ask;
    } sources[] = {
        { "Environment", flt_aws_from_environment },
        { "EcsContainer", flt_aws_from_container },
        { "Ec2InstanceMetadata", flt_aws_from_imds },
    };

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (strcmp(named.value, sources[i].name) == 0)
            return sources[i].ask(walk->ask, ret);
    return flt_because(walk->ask->why, FLT_E_INVALID,
                       "%.200s:%u: credential_source must be Environment, EcsContainer or "
                       "Ec2InstanceMetadata",
                       named.path, named.line);
}

static int32_t ask_source_profile(const struct walk *walk, const struct step *step,
                                  struct flt_aws_setting named, struct flt_aws_keys *ret)
{
    const struct step next = { named.value, step, step->depth + 1 };

    if (strcmp(named.value, step->profile) == 0 && get(walk, step, "aws_access_key_id").value)
        return take_keys(walk, step, ret);
    for (const struct step *before = step; before; before = before->before)
        if (strcmp(before->profile, named.value) == 0 || next.depth > DEPTH_MAX)
            return flt_because(walk->ask->why, FLT_E_INVALID,
                               "%.200s:%u: source_profile leads from '%.64s' back to '%.64s', "
                               "or through more than %d profiles",
                               named.path, named.line, step->profile, named.value, DEPTH_MAX);
    if (!flt_aws_profile_exists(walk->profiles, named.value))
        return flt_because(walk->ask->why, FLT_E_INVALID,
                           "%.200s:%u: source_profile '%.64s' does not exist", named.path,
                           named.line, named.value);
    return ask_profile(walk, &next, ret);
}

/* Whose keys ask for the role. */
static int32_t ask_source(const struct walk *walk, const struct step *step,
                          struct flt_aws_setting arn, struct flt_aws_keys *ret)
{
    struct flt_aws_setting profile = get(walk, step, "source_profile");
    struct flt_aws_setting named = get(walk, step, "credential_source");
    char why[FLT_ERROR_MAX];
    int32_t code;

    if (!profile.value == !named.value)
        return flt_because(walk->ask->why, FLT_E_INVALID,
                           "%.200s:%u: profile '%.64s' needs %s source_profile or "
                           "credential_source beside its role_arn",
                           arn.path, arn.line, step->profile, profile.value ? "one of" : "either");
    code = profile.value ? ask_source_profile(walk, step, profile, ret)
                         : ask_named_source(walk, named, ret);
    if (code != FLT_E_NOT_FOUND)
        return code;
    (void) snprintf(why, sizeof(why), "%s", walk->ask->why);
    return flt_because(walk->ask->why, FLT_E_AUTH, "profile '%.64s' finds no keys for its role: %s",
                       step->profile, why);
}

static int32_t check_role(const struct walk *walk, const struct step *step,
                          struct flt_aws_setting duration)
{
    struct flt_aws_setting mfa = get(walk, step, "mfa_serial");

    if (mfa.value)
        return flt_because(walk->ask->why, FLT_E_INVALID,
                           "%.200s:%u: profile '%.64s' asks for a code of a device "
                           "(mfa_serial), and nobody is here to type it: use a role without",
                           mfa.path, mfa.line, step->profile);
    if (duration.value && strspn(duration.value, "0123456789") != strlen(duration.value))
        return flt_because(walk->ask->why, FLT_E_INVALID,
                           "%.200s:%u: duration_seconds must be a number", duration.path,
                           duration.line);
    return FLT_OK;
}

static int32_t ask_role(const struct walk *walk, const struct step *step,
                        struct flt_aws_setting arn, struct flt_aws_keys *ret)
{
    struct flt_aws_setting duration = get(walk, step, "duration_seconds");
    const struct flt_aws_role role = {
        .arn = arn.value,
        .session_name = get(walk, step, "role_session_name").value,
        .external_id = get(walk, step, "external_id").value,
        .duration_s = duration.value,
    };
    const char *token_file = get(walk, step, "web_identity_token_file").value;
    struct flt_aws_keys source = { 0 };
    int32_t code = check_role(walk, step, duration);

    if (code == FLT_OK && token_file) {
        code = flt_aws_assume_with_token(walk->ask, &role, token_file, ret);
    } else if (code == FLT_OK) {
        code = ask_source(walk, step, arn, &source);
        if (code == FLT_OK)
            code = flt_aws_assume_role(walk->ask, &role, &source, ret);
    }
    if (code == FLT_OK)
        code = flt_aws_keys_name(walk->ask, ret, "role %s of profile '%s', with %s%s", arn.value,
                                 step->profile, token_file ? "the token in " : "",
                                 token_file ? token_file : source.source);
    flt_aws_keys_done(&source);
    return code;
}

/* The order is that of botocore. */
static int32_t ask_profile(const struct walk *walk, const struct step *step,
                           struct flt_aws_keys *ret)
{
    struct flt_aws_setting arn = get(walk, step, "role_arn");

    if (arn.value)
        return ask_role(walk, step, arn, ret);
    if (get(walk, step, "sso_session").value || get(walk, step, "sso_start_url").value)
        return flt_aws_from_sso(walk->ask, walk->profiles, step->profile, ret);
    if (get(walk, step, "aws_access_key_id").value)
        return take_keys(walk, step, ret);
    if (get(walk, step, "credential_process").value)
        return flt_aws_from_process(walk->ask, walk->profiles, step->profile, ret);
    return flt_because(walk->ask->why, FLT_E_NOT_FOUND,
                       "profile '%.64s' has no role_arn, sso_session, aws_access_key_id or "
                       "credential_process",
                       step->profile);
}

int32_t flt_aws_from_profile(struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    struct flt_aws_profiles profiles;
    const struct walk walk = { ask, &profiles };
    struct step first = { 0 };
    int32_t code = flt_aws_profiles_open(ask, &profiles);

    if (code != FLT_OK)
        return code;
    first.profile = profiles.name;
    code = ask_profile(&walk, &first, ret);
    flt_aws_profiles_done(&profiles);
    return code;
}
