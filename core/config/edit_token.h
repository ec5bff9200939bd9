/* core/config/edit_token.h - a new token for a runner of config.toml, with its times: in each entry that is for it, and
 * in the `token_file` of those that have one. By `flotilla reset-token` and the manager that renews tokens by itself. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"

struct edit_token {
    const char *config, *url, *former; /* the entries have this URL and this token */
    const char *token;
    int64_t obtained_ms, expires_ms; /* 0 = never */
};
/* As edit_file(); -ENOENT when there is no such entry. */
int edit_token(const struct edit_token *change, int wait_ms, struct error *err);
/* Before there is a token: could it be written? Of the change only who it is for is looked at. */
int edit_token_check(const struct edit_token *change, int wait_ms, struct error *err);
/* Whole seconds, as GitLab Runner writes them; 0 is its year 1. */
void edit_add_time(struct buf *out, int64_t wall_ms);
