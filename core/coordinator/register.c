/* core/coordinator/register.c - POST runners: a registration token makes a runner (coordinator-protocol.md 1.3). */
#include <errno.h>

#include "core/base/str.h"
#include "core/coordinator/runner_call.h"

static void add_unless_empty(json_t *body, const char *key, const char *value)
{
    if (!str_empty(value))
        (void) json_add_str(body, key, value);
}

int coordinator_register(struct coordinator_client *client, const struct coordinator_host *host,
                         const struct coordinator_registration *registration,
                         coordinator_runner_fn fn, void *arg, struct coordinator_call **ret,
                         struct error *err)
{
    struct call_request request = { .method = "POST",
                                    .path = "runners",
                                    .token_header = "RUNNER-TOKEN",
                                    .token = registration->token,
                                    .accept_json = true,
                                    .body = BUF_SECRET };
    autojson json_t *body = json_object_new_object();

    (void) json_add_str(body, "token", registration->token);
    add_unless_empty(body, "description", registration->description);
    add_unless_empty(body, "maintenance_note", registration->maintenance_note);
    add_unless_empty(body, "tag_list", registration->tags);
    (void) json_add_bool(body, "run_untagged", registration->run_untagged);
    (void) json_add_bool(body, "locked", registration->locked);
    add_unless_empty(body, "access_level", registration->access_level);
    if (registration->maximum_timeout_s > 0)
        (void) json_add_i64(body, "maximum_timeout", registration->maximum_timeout_s);
    (void) json_add_bool(body, "paused", registration->paused);
    if (json_add(body, "info", coordinator_info(NULL, NULL)) < 0)
        return error_set(err, -ENOMEM, "registering: out of memory");
    buf_add_str(&request.body, json_text(body));
    return runner_call(client, host, &request, 201, fn, arg, ret, err);
}
