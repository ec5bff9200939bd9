/* core/coordinator/unregister.c - DELETE runners or runners/managers: the runner, or this manager of it, goes
 * (coordinator-protocol.md 1.5). */
#include <errno.h>

#include "core/base/str.h"
#include "core/coordinator/runner_call.h"

bool coordinator_token_is_made(const char *token)
{
    return str_starts(token, "glrt-");
}

int coordinator_unregister(struct coordinator_client *client, const struct coordinator_host *host,
                           const char *token, const char *system_id, coordinator_runner_fn fn,
                           void *arg, struct coordinator_call **ret, struct error *err)
{
    bool manager = coordinator_token_is_made(token);
    struct call_request request = { .method = "DELETE",
                                    .path = manager ? "runners/managers" : "runners",
                                    .token_header = "RUNNER-TOKEN",
                                    .token = token,
                                    .body = BUF_SECRET };
    autojson json_t *body = json_object_new_object();

    if (manager)
        (void) json_add_str(body, "system_id", system_id);
    if (json_add_str(body, "token", token) < 0)
        return error_set(err, -ENOMEM, "unregistering: out of memory");
    buf_add_str(&request.body, json_text(body));
    return runner_call(client, host, &request, 204, fn, arg, ret, err);
}
