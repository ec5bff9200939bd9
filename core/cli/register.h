/* core/cli/register.h - the pieces of `flotilla register`: what was said (register_options.c), what is asked for
 * (register_ask.c) and what is written (register_entry.c). For register.c. */
#pragma once

#include "core/cli/runners.h"

struct register_options {
    struct runners_options runners;
    char *url, *name, *executor, *tags, *maintenance_note; /* owned; NULL = not said */
    const char *access_level, *template_config, *shell, *builds_dir, *cache_dir, *clone_url;
    const char *tls_ca_file, *tls_cert_file, *tls_key_file;
    struct secret *token, *registration_token;
    int64_t maximum_timeout_s, limit, request_concurrency, output_limit; /* 0 = not said */
    int run_untagged, locked, paused;                                    /* -1 = not said */
    int silent, leaves_runner; /* --non-interactive, --leave-runner; likewise */
};

/* The command line, then the environment; 0, 1 when help was shown, or negative, which has been told. */
int register_parse(int argc, char **argv, struct register_options *ret);
void register_options_done(struct register_options *options);
/* The first option that a runner which was made at GitLab has there, not here; NULL = none was said. */
const char *register_reserved_option(const struct register_options *options);

/* Asks the person for `*answer`, which is the default; an empty answer is none unless it may be. With --non-interactive
 * nothing is asked. Negative has been told. */
int register_ask(const struct register_options *options, const char *option, const char *question,
                 bool may_be_empty, char **answer);
int register_ask_secret(const struct register_options *options, const char *option,
                        const char *question, struct secret **answer);

struct register_result {
    const char *token;
    int64_t id, obtained_ms, expires_ms;
};
/* What the template says and the command line does not: name, URL, executor. */
int register_read_template(struct register_options *options, struct error *err);
/* Writes the entry behind those that are there. */
int register_write(const struct register_options *options, const struct register_result *result,
                   struct error *err);
