/* core/coordinator/runners.h - the calls about a runner itself: register, verify, unregister and a new token
 * (coordinator-protocol.md 1.3 to 1.5). For the commands of those names and for the manager, which renews tokens. */
#pragma once

#include "core/coordinator/client.h"

struct coordinator_runner_answer {
    int status;          /* HTTP status, or -1: no answer, or one that cannot be understood */
    int64_t id;          /* 0 = not told */
    const char *token;   /* "" = not told; borrowed */
    int64_t expires_ms;  /* 0 = never */
    const char *message; /* for people, never NULL */
};
typedef void (*coordinator_runner_fn)(void *arg, const struct coordinator_runner_answer *answer);

struct coordinator_registration {
    const char *token;                                                /* that lets one register */
    const char *description, *maintenance_note, *tags, *access_level; /* NULL or "" = not told */
    int64_t maximum_timeout_s;                                        /* 0 = not told */
    bool run_untagged, locked, paused;
};
/* POST runners: 201. */
int coordinator_register(struct coordinator_client *client, const struct coordinator_host *host,
                         const struct coordinator_registration *registration,
                         coordinator_runner_fn fn, void *arg, struct coordinator_call **ret,
                         struct error *err);

/* POST runners/verify: 200; 403 means that there is no such runner. An old server says no more than 200, which is -1
 * unless `by_status`: then the answer's body is left alone. */
int coordinator_verify(struct coordinator_client *client, const struct coordinator_host *host,
                       const char *token, const char *system_id, json_t *info, bool by_status,
                       coordinator_runner_fn fn, void *arg, struct coordinator_call **ret,
                       struct error *err);

/* Of a token that people made at GitLab only this manager goes, not the runner. */
bool coordinator_token_is_made(const char *token);
/* DELETE runners/managers or DELETE runners: 204. */
int coordinator_unregister(struct coordinator_client *client, const struct coordinator_host *host,
                           const char *token, const char *system_id, coordinator_runner_fn fn,
                           void *arg, struct coordinator_call **ret, struct error *err);

/* POST runners/reset_authentication_token with the runner's own token, or with the personal access token `pat` (else
 * NULL) of runner `id`: 201. From then on the former token is of no use. */
int coordinator_reset_token(struct coordinator_client *client, const struct coordinator_host *host,
                            const char *token, int64_t id, const char *pat,
                            coordinator_runner_fn fn, void *arg, struct coordinator_call **ret,
                            struct error *err);
