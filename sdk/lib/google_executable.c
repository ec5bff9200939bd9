/* sdk/lib/google_executable.c - the token that a program prints (google_subject.h), as Google's libraries run it: only
 * where the environment allows it, told what it is asked for by variables, answering in JSON. */
#include <stdio.h>
#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/google_subject.h"
#include "sdk/lib/google_token.h"
#include "sdk/lib/json.h"
#include "sdk/lib/program.h"
#include "sdk/lib/wipe.h"

#define ALLOW "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
#define PLACE "credential_source.executable"
#define OUTPUT_MAX ((size_t) 256 * 1024)
#define VARIABLES_MAX 6

struct source {
    const char *command, *output_file, *audience, *type;
    char *variables[VARIABLES_MAX];
    size_t n_variables;
};

static int32_t read_source(struct flt_google_ask *ask, const struct flt_google_file *file,
                           struct source *ret)
{
    const char *allowed = flt_variable(ALLOW);
    int32_t code = flt_google_need(ask, file, PLACE ".command", &ret->command);

    if (code == FLT_OK)
        code = flt_google_may(ask, file, PLACE ".output_file", &ret->output_file);
    if (code == FLT_OK)
        code = flt_google_need(ask, file, "audience", &ret->audience);
    if (code == FLT_OK)
        code = flt_google_need(ask, file, "subject_token_type", &ret->type);
    if (code == FLT_OK && (!allowed || strcmp(allowed, "1") != 0))
        code = flt_because(
            ask->why, FLT_E_INVALID,
            "%.300s: its program is run only where " ALLOW "=1 is in the environment", file->shown);
    if (code == FLT_OK && !ask->settings->run)
        code =
            flt_because(ask->why, FLT_E_INVALID, "%.300s: programs are not run here", file->shown);
    return code;
}

static int add_variable(struct source *source, const char *name, const char *value, size_t len)
{
    char **at = &source->variables[source->n_variables];

    if (asprintf(at, "GOOGLE_EXTERNAL_ACCOUNT_%s=%.*s", name, (int) len, value) < 0)
        return -1;
    source->n_variables++;
    return 0;
}

static int add_variables(struct source *source, const struct flt_google_file *file)
{
    const char *url = flt_json_text(file->json, "service_account_impersonation_url");
    const char *account = url ? strrchr(url, '/') : NULL;

    if (add_variable(source, "AUDIENCE", source->audience, strlen(source->audience)) < 0 ||
        add_variable(source, "TOKEN_TYPE", source->type, strlen(source->type)) < 0 ||
        add_variable(source, "INTERACTIVE", "0", 1) < 0 ||
        add_variable(source, "REVOKE", "0", 1) < 0)
        return -1;
    if (account &&
        add_variable(source, "IMPERSONATED_EMAIL", account + 1, strcspn(account + 1, ":")) < 0)
        return -1;
    return source->output_file ? add_variable(source, "OUTPUT_FILE", source->output_file,
                                              strlen(source->output_file))
                               : 0;
}

/* What was kept has to say when it ends. */
static int32_t take(struct flt_google_ask *ask, const char *shown, struct json_object *json,
                    int is_kept, char **ret)
{
    const char *type = flt_json_text(json, "token_type"), *token;
    int64_t version = 0, expires_s = is_kept ? 0 : INT64_MAX;
    char why[FLT_ERROR_MAX];
    int success = 0;

    if (flt_json_need_i64(json, "version", 1, 1, &version, why) < 0 ||
        flt_json_opt_bool(json, "success", &success, why) < 0 ||
        flt_json_opt_i64(json, "expiration_time", 0, INT64_MAX, &expires_s, why) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "%.200s: %.200s", shown, why);
    if (!success) {
        const char *code = flt_json_text(json, "code"), *message = flt_json_text(json, "message");

        return flt_because(ask->why, FLT_E_AUTH, "%.200s has no token: %.64s: %.120s", shown,
                           code ? code : "no code", message ? message : "no message");
    }
    if (expires_s < flt_clock_s(ask->settings->now_s, ask->settings->arg))
        return flt_because(ask->why, FLT_E_AUTH, "%.200s: the token has expired", shown);
    token = flt_json_text(json, type && strstr(type, ":saml2") ? "saml_response" : "id_token");
    return token ? flt_google_subject_set(ask, shown, token, ret)
                 : flt_because(ask->why, FLT_E_UNAVAILABLE,
                               "%.200s: id_token or saml_response is missing", shown);
}

static int32_t parse(struct flt_google_ask *ask, const char *shown, const char *text, size_t len,
                     int is_kept, char **ret)
{
    struct json_object *json = NULL;
    char why[FLT_ERROR_MAX];
    int32_t code;

    if (flt_json_parse(text, len, &json, why) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "%.200s: %.200s", shown, why);
    code = take(ask, shown, json, is_kept, ret);
    flt_google_json_done(json);
    return code;
}

/* What the program left there for the next time. */
static int take_kept(struct flt_google_ask *ask, const struct source *source, char **ret)
{
    FLT_WIPED char *text = NULL;

    return source->output_file &&
           flt_file_read(source->output_file, OUTPUT_MAX, &text, ask->why) == FLT_OK &&
           parse(ask, source->output_file, text, strlen(text), 1, ret) == FLT_OK;
}

static int32_t run(struct flt_google_ask *ask, const struct flt_google_file *file,
                   const struct source *source, char **ret)
{
    struct flt_program program;
    char shown[FLT_ERROR_MAX], *text = NULL;
    const char *wrong = flt_program_read(source->command, &program);
    size_t len = 0;
    int32_t code;

    if (wrong) {
        code = flt_because(ask->why, FLT_E_INVALID, "%.300s: " PLACE ".command: %s", file->shown,
                           wrong);
    } else {
        (void) snprintf(shown, sizeof(shown), "the program of %.200s (%.200s)", file->shown,
                        program.path);
        flt_program_set(&program, (const char *const *) source->variables, source->n_variables);
        code = flt_program_run(&program, shown, ask->settings->run, ask->settings->arg, &text, &len,
                               ask->why);
    }
    if (code == FLT_OK)
        code = parse(ask, shown, text, len, 0, ret);
    flt_program_output_done(text, len);
    flt_program_done(&program);
    return code;
}

int32_t flt_google_subject_of_program(struct flt_google_ask *ask,
                                      const struct flt_google_file *file, char **ret)
{
    struct source source = { 0 };
    int32_t code = read_source(ask, file, &source);

    if (code == FLT_OK && add_variables(&source, file) < 0)
        code = flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
    if (code == FLT_OK && !take_kept(ask, &source, ret))
        code = run(ask, file, &source, ret);
    for (size_t i = 0; i < source.n_variables; i++)
        free(source.variables[i]);
    return code;
}
