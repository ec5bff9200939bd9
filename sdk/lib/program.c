/* sdk/lib/program.c - see program.h. */
#include "sdk/lib/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/lib/ask.h"
#include "sdk/lib/wipe.h"

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

static const char *divide(const char *line, struct flt_program *ret)
{
    char *to = ret->copy = malloc(strlen(line) + 2);

    if (!to)
        return "out of memory";
    while (line && *(line += strspn(line, " \t"))) {
        if (ret->n == FLT_PROGRAM_WORDS_MAX)
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

/* The host wants an absolute path; a name may be one that PATH leads to. */
static int find_program(const char *name, char *path, size_t size)
{
    const char *folders = flt_variable("PATH");

    if (strchr(name, '/'))
        return *name == '/' && snprintf(path, size, "%s", name) < (int) size;
    for (size_t len; folders && *folders; folders += len + (folders[len] == ':')) {
        len = strcspn(folders, ":");
        if (*folders == '/' &&
            snprintf(path, size, "%.*s/%s", (int) len, folders, name) < (int) size &&
            is_program(path))
            return 1;
    }
    return 0;
}

const char *flt_program_read(const char *line, struct flt_program *ret)
{
    const char *wrong;

    *ret = (struct flt_program) { 0 };
    ret->argv = ret->room + FLT_PROGRAM_VARIABLES_MAX + 1;
    wrong = divide(line, ret);
    if (!wrong && !find_program(ret->argv[0], ret->path, sizeof(ret->path)))
        wrong = "its program is neither an absolute path nor a name that PATH leads to";
    if (!wrong)
        ret->argv[0] = ret->path;
    return wrong;
}

void flt_program_done(struct flt_program *program)
{
    flt_wipe(program->copy);
}

/* The host has no way to set variables; env(1) has. */
void flt_program_set(struct flt_program *program, const char *const *variables, size_t n)
{
    for (size_t i = n; i > 0; i--)
        *--program->argv = variables[i - 1];
    *--program->argv = "/usr/bin/env";
}

struct output {
    char *text; /* FLT_PROGRAM_OUTPUT_MAX bytes, and one */
    size_t len;
    int too_long;
};

static int32_t collect(void *arg, const void *data, uint32_t len)
{
    struct output *output = arg;

    output->too_long |= len > FLT_PROGRAM_OUTPUT_MAX - output->len;
    if (output->too_long)
        return 1;
    memcpy(output->text + output->len, data, len);
    output->len += len;
    return 0;
}

static int32_t judge(const char *shown, const struct output *output, int32_t result, char *why)
{
    if (output->too_long)
        return flt_because(why, FLT_E_UNAVAILABLE, "%s prints more than %zu KiB", shown,
                           FLT_PROGRAM_OUTPUT_MAX / 1024);
    if (result < 0)
        return flt_because(why, result, "%s could not be run", shown);
    if (result > 0)
        return flt_because(why, FLT_E_AUTH, "%s ended with exit status %d", shown, (int) result);
    return FLT_OK;
}

int32_t flt_program_run(const struct flt_program *program, const char *shown,
                        int32_t (*run)(void *arg, const char *const *argv, flt_output_sink sink,
                                       void *sink_arg),
                        void *arg, char **ret, size_t *ret_len, char *why)
{
    struct output output = { .text = malloc(FLT_PROGRAM_OUTPUT_MAX + 1) };
    int32_t code;

    if (!output.text)
        return flt_because(why, FLT_E_INTERNAL, "out of memory");
    code = run(arg, program->argv, collect, &output);
    code = judge(shown, &output, code, why);
    if (code != FLT_OK) {
        flt_program_output_done(output.text, output.len);
        return code;
    }
    output.text[output.len] = '\0';
    *ret = output.text;
    *ret_len = output.len;
    return FLT_OK;
}

void flt_program_output_done(char *text, size_t len)
{
    if (text)
        explicit_bzero(text, len);
    free(text);
}
