/* sdk/lib/aws_source_process.c - credential_process: a program that prints keys. */
#include <stdio.h>

#include "sdk/lib/aws_keys.h"
#include "sdk/lib/aws_profiles.h"
#include "sdk/lib/program.h"

static int32_t ask_program(struct flt_aws_ask *ask, const char *who,
                           const struct flt_program *program, struct flt_aws_keys *ret)
{
    static const struct flt_aws_key_names names = { "AccessKeyId", "SecretAccessKey",
                                                    "SessionToken", "Expiration", 1 };
    char *text = NULL;
    size_t len = 0;
    int32_t code = flt_program_run(program, who, ask->settings->run, ask->settings->arg, &text,
                                   &len, ask->why);

    if (code == FLT_OK)
        code = flt_aws_keys_parse(ask, who, text, len, &names, ret);
    flt_program_output_done(text, len);
    return code;
}

int32_t flt_aws_from_process(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                             const char *profile, struct flt_aws_keys *ret)
{
    struct flt_aws_setting set = flt_aws_profile_get(profiles, profile, "credential_process");
    struct flt_program program = { 0 };
    const char *wrong =
        ask->settings->run ? flt_program_read(set.value, &program) : "programs are not run here";
    char who[FLT_ERROR_MAX];
    int32_t code;

    if (wrong) {
        code = flt_because(ask->why, FLT_E_INVALID, "%.200s:%u: credential_process: %s", set.path,
                           set.line, wrong);
    } else {
        (void) snprintf(who, sizeof(who), "credential_process of profile '%.64s' (%.200s)", profile,
                        program.path);
        code = ask_program(ask, who, &program, ret);
    }
    flt_program_done(&program);
    return code == FLT_OK ? flt_aws_keys_name(ask, ret, "credential_process of profile '%s' of %s",
                                              profile, set.path)
                          : code;
}
