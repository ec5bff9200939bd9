/* core/coordinator/reset_token.c - POST runners/reset_authentication_token: a new token for the runner
 * (coordinator-protocol.md 1.5).
 *
 * Where the answer is lost, the former token is gone and nobody knows the new one: GitLab offers no second look. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/coordinator/runner_call.h"

int coordinator_reset_token(struct coordinator_client *client, const struct coordinator_host *host,
                            const char *token, int64_t id, const char *pat,
                            coordinator_runner_fn fn, void *arg, struct coordinator_call **ret,
                            struct error *err)
{
    char path[64] = "runners/reset_authentication_token";
    struct call_request request = { .method = "POST",
                                    .endpoint = "reset_token",
                                    .path = path,
                                    .token_header = "PRIVATE-TOKEN",
                                    .token = pat,
                                    .accept_json = true,
                                    .body = BUF_SECRET };
    autojson json_t *body = json_object_new_object();

    if (pat)
        (void) snprintf(path, sizeof(path), "runners/%" PRId64 "/reset_authentication_token", id);
    if (json_add_str(body, "token", token) < 0)
        return error_set(err, -ENOMEM, "a new token: out of memory");
    buf_add_str(&request.body, pat ? "null" : json_text(body));
    return runner_call(client, host, &request, 201, fn, arg, ret, err);
}
