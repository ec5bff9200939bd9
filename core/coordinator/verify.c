/* core/coordinator/verify.c - POST runners/verify: is the token of use, and whose is it (coordinator-protocol.md 1.4)?
 *
 * GitLab makes its record of this manager from the first such call and may not look again for most of an hour, so
 * `info` must be whole. */
#include <errno.h>

#include "core/base/str.h"
#include "core/coordinator/runner_call.h"

int coordinator_verify(struct coordinator_client *client, const struct coordinator_host *host,
                       const char *token, const char *system_id, json_t *info, bool by_status,
                       coordinator_runner_fn fn, void *arg, struct coordinator_call **ret,
                       struct error *err)
{
    struct call_request request = { .method = "POST",
                                    .path = "runners/verify",
                                    .token_header = "RUNNER-TOKEN",
                                    .token = token,
                                    .accept_json = !by_status,
                                    .body = BUF_SECRET };
    autojson json_t *body = json_object_new_object();

    (void) json_add(body, "info", json_object_get(info));
    if (!str_empty(system_id))
        (void) json_add_str(body, "system_id", system_id);
    if (json_add_str(body, "token", token) < 0)
        return error_set(err, -ENOMEM, "verifying: out of memory");
    buf_add_str(&request.body, json_text(body));
    return runner_call(client, host, &request, 200, fn, arg, ret, err);
}
