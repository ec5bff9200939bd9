/* core/supervisor/group_connect.c - how an instance is reached: asks the provider, for a job until
 * it knows, and adds the connector's settings. */
#include "core/supervisor/group_parts.h"

#include <flotilla/provider.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/connector.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define SHORT_DEADLINE_MS 60000
#define RETRY_MIN_MS 1000

/* Once for each runner (hardening.md N1, N2). */
static void warn_about_host_keys(struct group *group, const char *policy, bool has_password)
{
    bool first_contact = str_eq(policy, "tofu") && has_password;

    if (group->host_keys_warned || (!first_contact && !str_eq(policy, "accept")))
        return;
    group->host_keys_warned = true;
    if (first_contact)
        log_warning(
            "runner '%s': nobody vouches for an instance's first host key (host_key_policy "
            "\"tofu\"), and whoever shows it gets the password; prefer a key, made for this "
            "group",
            group->runner->name);
    else
        log_warning("runner '%s': whatever host key an instance shows is taken (host_key_policy "
                    "\"accept\"); prefer \"pin\" or \"tofu\"",
                    group->runner->name);
}

json_t *group_build_connect(struct group *group, json_t *reply)
{
    json_t *connect = connector_connect(group_settings(group), group->key, reply);
    const char *policy = "", *password = NULL;

    if (!connect)
        return NULL;
    (void) json_opt_str(connect, "host_key_policy", &policy, NULL);
    (void) json_opt_str(connect, "password", &password, NULL);
    warn_about_host_keys(group, policy, !str_empty(password));
    return connect;
}

struct connect_turn {
    struct group *group;
    int64_t seq;
};

static void take_connect_info(struct group *group, struct job *job, int code, const char *message,
                              int64_t retry_after_ms, json_t *reply)
{
    int64_t now = now_mono(group->supervisor);
    bool late = now - job->connect_since_mono >= group_settings(group)->connector.timeout_ms;
    autojson json_t *connect = NULL;

    if (code != 0 && code != FLT_E_NOT_FOUND && code != FLT_E_UNHEALTHY && !late) {
        job->connect_at_mono = now + MAX(retry_after_ms, RETRY_MIN_MS);
        return;
    }
    job->connecting = false;
    if (code == 0)
        connect = group_build_connect(group, reply);
    if (connect) {
        worker_start(job, connect);
        return;
    }
    log_error("job %" PRId64 ": instance %s cannot be reached: %s", job->job_id, job->instance_id,
              message);
    group_mark_removing(group, job->instance_id, REASON_UNHEALTHY);
    job_fail_system(job, "the provider could not tell how to reach its instance");
}

/* The job may have ended meanwhile: canceled, or its instance is gone. */
static void on_connect_info(void *arg, int code, const char *message, int64_t retry_after_ms,
                            json_t *reply)
{
    autofree struct connect_turn *turn = arg;
    struct job *job = job_find(turn->group->supervisor, turn->seq);

    effect_point("provider_connect_info", "after");
    if (code == FLT_E_CANCELLED && !turn->group->provider)
        return; /* closed for good; a plugin that heeds a late call's cancel says the same */
    if (job && job->state < JOB_FINISHED)
        take_connect_info(turn->group, job, code, message, retry_after_ms, reply);
}

int group_ask(struct group *group, const char *type, const char *instance, provider_reply_fn fn,
              void *arg)
{
    json_t *request = json_frame(type);

    if (request)
        (void) json_add_str(request, "instance", instance);
    return group_call(group, request, SHORT_DEADLINE_MS, fn, arg);
}

void group_connect_info(struct group *group, struct job *job)
{
    struct connect_turn *turn = mem_zero(sizeof(*turn));

    job->connecting = true;
    job->connect_at_mono = 0;
    if (!turn) {
        take_connect_info(group, job, FLT_E_INTERNAL, "out of memory", 0, NULL);
        return;
    }
    turn->group = group;
    turn->seq = job->seq;
    effect_point("provider_connect_info", "before");
    if (group_ask(group, "connect_info", job->instance_id, on_connect_info, turn) < 0)
        on_connect_info(turn, FLT_E_INTERNAL, "the provider cannot be called", 0, NULL);
}

/* Its worker waits for a word, and asks again where it is told to. */
static void on_login(void *arg, int code, const char *message, int64_t retry_after_ms,
                     json_t *reply)
{
    autofree struct connect_turn *turn = arg;
    struct job *job = job_find(turn->group->supervisor, turn->seq);
    json_t *connect = code == 0 ? group_build_connect(turn->group, reply) : NULL;
    autojson json_t *frame = json_frame("login");

    if (connect)
        (void) json_add(frame, "connect", connect);
    else
        (void) json_add_str(frame, "message", message);
    if (code != FLT_E_NOT_FOUND && code != FLT_E_UNHEALTHY)
        (void) json_add_i64(frame, "retry_after_ms", MAX(retry_after_ms, RETRY_MIN_MS));
    if (job && job->worker && job->state < JOB_FINISHED)
        channel_send(job->worker, frame, FRAME_MAX_OPERATOR);
}

void group_renew_login(struct group *group, struct job *job)
{
    struct connect_turn *turn = mem_zero(sizeof(*turn));

    if (!turn)
        return; /* the worker asks the next supervisor, or its time ends */
    turn->group = group;
    turn->seq = job->seq;
    if (group_ask(group, "connect_info", job->instance_id, on_login, turn) < 0)
        on_login(turn, FLT_E_INTERNAL, "the provider cannot be called", 0, NULL);
}
