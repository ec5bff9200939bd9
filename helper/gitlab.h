/* helper/gitlab.h - which GitLab, which job and as whom: the options that uploader and downloader
 * share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/token.h"
#include "helper/options.h"

#define GITLAB_TOKEN_MAX 4096

struct gitlab {
    const char *url, *token, *ca_file, *cert_file, *key_file;
    int64_t job_id;
    bool token_stdin;
    char read_token[GITLAB_TOKEN_MAX + 1];
    char short_token[TOKEN_SHORT_SIZE]; /* for log lines */
};
extern const struct option gitlab_options[];

/* Takes the token from stdin where that was asked for, else out of the command line or the environment,
 * where others could read it (hardening.md S4). Negative when there was none; it has been said. */
int gitlab_take_token(struct gitlab *gitlab);
