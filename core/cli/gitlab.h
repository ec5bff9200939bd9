/* core/cli/gitlab.h - one question to GitLab and its answer, for the commands about runners. Each waits for its answer. */
#pragma once

#include "core/base/secret.h"
#include "core/coordinator/runners.h"

struct gitlab_answer {
    int status; /* as in coordinator_runner_answer */
    int64_t id, expires_ms;
    struct secret *token; /* NULL = not told */
    char message[512];
};
void gitlab_answer_done(struct gitlab_answer *answer);
#define auto_answer __attribute__((cleanup(gitlab_answer_done)))

/* Negative when nothing could be asked, such as for a wrong URL; else 0, whatever the answer is. */
int gitlab_register(const struct coordinator_host *host,
                    const struct coordinator_registration *registration, struct gitlab_answer *ret,
                    struct error *err);
int gitlab_verify(const struct coordinator_host *host, const char *token, const char *system_id,
                  struct gitlab_answer *ret, struct error *err);
int gitlab_unregister(const struct coordinator_host *host, const char *token, const char *system_id,
                      struct gitlab_answer *ret, struct error *err);
int gitlab_reset_token(const struct coordinator_host *host, const char *token, int64_t id,
                       const char *pat, struct gitlab_answer *ret, struct error *err);
