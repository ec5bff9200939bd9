/* sdk/lib/program.h - a program that a file of credentials names: no shell reads its line, words are divided as a shell
 * would, with quotes and backslashes. The host runs it. Used by aws_source_process.c and google_executable.c.
 */
#ifndef FLOTILLA_LIB_PROGRAM_H
#define FLOTILLA_LIB_PROGRAM_H

#include <flotilla/provider.h>
#include <stddef.h>

#include "sdk/lib/text.h"

#define FLT_PROGRAM_WORDS_MAX 64
#define FLT_PROGRAM_VARIABLES_MAX 8
#define FLT_PROGRAM_OUTPUT_MAX ((size_t) 64 * 1024)

struct flt_program {
    char *copy; /* the line, cut */
    char path[4096];
    const char *room[FLT_PROGRAM_VARIABLES_MAX + FLT_PROGRAM_WORDS_MAX + 2];
    const char **argv; /* in there */
    size_t n;
};
/* NULL, or why the line is no command. */
const char *flt_program_read(const char *line, struct flt_program *ret);
void flt_program_done(struct flt_program *program);
/* "NAME=value", set beside those of the environment; borrowed. FLT_PROGRAM_VARIABLES_MAX at most, and once. */
void flt_program_set(struct flt_program *program, const char *const *variables, size_t n);

/* FLT_OK and what it prints, FLT_PROGRAM_OUTPUT_MAX at most, with a NUL behind it, to be given to
 * flt_program_output_done(). FLT_E_AUTH when it fails. */
int32_t flt_program_run(const struct flt_program *program, const char *shown,
                        int32_t (*run)(void *arg, const char *const *argv, flt_output_sink sink,
                                       void *sink_arg),
                        void *arg, char **ret, size_t *ret_len, char *why);
void flt_program_output_done(char *text, size_t len);

#endif
