/* sdk/lib/aws_source_process.c - credential_process: a program that prints keys. No shell reads its line; words are
 * divided as a shell would, with quotes and backslashes.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/lib/aws_keys.h"
#include "sdk/lib/aws_profiles.h"
#include "sdk/lib/wipe.h"

#define WORDS_MAX 64
#define OUTPUT_MAX ((size_t) 64 * 1024)
#define PATH_BYTES 4096

struct words {
    char *copy; /* the line, cut */
    const char *argv[WORDS_MAX + 1];
    size_t n;
};

/* Moves one word to `to`; NULL when a quote is left open. */
static const char *take_word(const char *from, char **to)
{
    char quote = '\0';

    for (; *from && (quote || !strchr(" \t", *from)); from++) {
        if (*from == '\\' && quote != '\'' && from[1] &&
            (!quote || from[1] == '"' || from[1] == '\\'))
            *(*to)++ = *++from;
        else if (quote ? *from == quote : *from == '"' || *from == '\'')
            quote = quote ? '\0' : *from;
        else
            *(*to)++ = *from;
    }
    *(*to)++ = '\0';
    return quote ? NULL : from;
}

/* 0, or why it is no command. */
static const char *divide(const char *line, struct words *ret)
{
    char *to = ret->copy = malloc(strlen(line) + 2);

    if (!to)
        return "out of memory";
    while (line && *(line += strspn(line, " \t"))) {
        if (ret->n == WORDS_MAX)
            return "it has too many words";
        ret->argv[ret->n++] = to;
        line = take_word(line, &to);
    }
    if (!line)
        return "a quote in it is not closed";
    return ret->n > 0 ? NULL : "it is empty";
}

static int is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The host wants an absolute path; AWS allows a name that PATH leads to. */
static int find_program(const char *name, char path[PATH_BYTES])
{
    const char *folders = flt_variable("PATH");

    if (strchr(name, '/'))
        return *name == '/' && snprintf(path, PATH_BYTES, "%s", name) < PATH_BYTES;
    for (size_t len; folders && *folders; folders += len + (folders[len] == ':')) {
        len = strcspn(folders, ":");
        if (*folders == '/' &&
            snprintf(path, PATH_BYTES, "%.*s/%s", (int) len, folders, name) < PATH_BYTES &&
            is_program(path))
            return 1;
    }
    return 0;
}

struct output {
    char *text; /* OUTPUT_MAX bytes, and one */
    size_t len;
    int too_long;
};

static int32_t collect(void *arg, const void *data, uint32_t len)
{
    struct output *output = arg;

    output->too_long |= len > OUTPUT_MAX - output->len;
    if (output->too_long)
        return 1;
    memcpy(output->text + output->len, data, len);
    output->len += len;
    return 0;
}

static int32_t run(struct flt_aws_ask *ask, const char *who, const struct words *words,
                   struct output *output)
{
    int32_t result = ask->settings->run(ask->settings->arg, words->argv, collect, output);

    if (output->too_long)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "%s prints more than %zu KiB", who,
                           OUTPUT_MAX / 1024);
    if (result < 0)
        return flt_because(ask->why, result, "%s could not be run", who);
    if (result > 0)
        return flt_because(ask->why, FLT_E_AUTH, "%s ended with exit status %d", who, (int) result);
    return FLT_OK;
}

static int32_t ask_program(struct flt_aws_ask *ask, const char *who, const struct words *words,
                           struct flt_aws_keys *ret)
{
    static const struct flt_aws_key_names names = { "AccessKeyId", "SecretAccessKey",
                                                    "SessionToken", "Expiration" };
    struct output output = { .text = malloc(OUTPUT_MAX) };
    int32_t code;

    if (!output.text)
        return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
    code = run(ask, who, words, &output);
    if (code == FLT_OK)
        code = flt_aws_keys_parse(ask, who, output.text, output.len, &names, ret);
    explicit_bzero(output.text, output.len);
    free(output.text);
    return code;
}

int32_t flt_aws_from_process(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                             const char *profile, struct flt_aws_keys *ret)
{
    struct flt_aws_setting set = flt_aws_profile_get(profiles, profile, "credential_process");
    struct words words = { 0 };
    const char *wrong =
        ask->settings->run ? divide(set.value, &words) : "programs are not run here";
    char program[PATH_BYTES], who[FLT_ERROR_MAX];
    int32_t code;

    if (!wrong && !find_program(words.argv[0], program))
        wrong = "its program is neither an absolute path nor a name that PATH leads to";
    if (wrong) {
        code = flt_because(ask->why, FLT_E_INVALID, "%.200s:%u: credential_process: %s", set.path,
                           set.line, wrong);
    } else {
        words.argv[0] = program;
        (void) snprintf(who, sizeof(who), "credential_process of profile '%.64s' (%.200s)", profile,
                        program);
        code = ask_program(ask, who, &words, ret);
    }
    flt_wipe(words.copy);
    return code == FLT_OK ? flt_aws_keys_name(ask, ret, "credential_process of profile '%s' of %s",
                                              profile, set.path)
                          : code;
}
