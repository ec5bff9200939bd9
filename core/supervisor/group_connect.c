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

static json_t *build_connect(struct group *group, json_t *reply)
{
    json_t *connect = connector_connect(group_settings(group), group->key, reply);
    const char *policy = "", *password = NULL, *protocol = "ssh";
    bool has_key = false;

    if (!connect)
        return NULL;
    (void) json_opt_str(connect, "protocol", &protocol, NULL);
    (void) json_opt_bool(connect, "accept_self_signed", &has_key, NULL);
    has_key = str_eq(protocol, "ssh") || (has_key && str_eq(protocol, "winrm+https"));
    (void) json_opt_str(connect, "host_key_policy", &policy, NULL);
    (void) json_opt_str(connect, "password", &password, NULL);
    if (has_key)
        warn_about_host_keys(group, policy, !str_empty(password));
    return connect;
}

/* What kind of answer it is. */

static void clear_refusal(struct group *group)
{
    if (group->connect_refused == 0)
        return;
    group->connect_refused = 0;
    group->connect_backoff_ms = group->connect_again_mono = 0;
    group->connect_error[0] = '\0';
    supervisor_evaluate_soon(group->supervisor);
}

/* The sentence names one instance and holds for all of them: the others' are not told. */
static void tell_refusal(struct group *group, int code, const char *why)
{
    if (code == group->connect_refused)
        return;
    group->connect_refused = code;
    (void) str_cut(group->connect_error, sizeof(group->connect_error), why);
    log_error("runner '%s': no instance can be connected to: %s; it is asked again from time to "
              "time, and no job is asked for meanwhile",
              group->runner->name, why);
}

/* Those that wait ask again all at once: the pause grows when it is over, and not with each of them. */
static int64_t refusal_pause(struct group *group)
{
    int64_t now = now_mono(group->supervisor);

    if (now >= group->connect_again_mono) {
        group->connect_backoff_ms = group_back_off(group->connect_backoff_ms);
        group->connect_again_mono = now + group->connect_backoff_ms;
    }
    return group->connect_again_mono - now;
}

/* The answer that ends the pause may take its time; then one job may try. */
bool group_cannot_connect(const struct group *group)
{
    return group->connect_refused != 0 &&
           now_mono(group->supervisor) < group->connect_again_mono + SHORT_DEADLINE_MS;
}

static enum connect_kind kind_of(int code)
{
    if (code == FLT_E_NOT_FOUND || code == FLT_E_UNHEALTHY)
        return CONNECT_BAD;
    if (group_needs_a_person(code))
        return CONNECT_REFUSED;
    return code == 0 ? CONNECT_KNOWN : code == FLT_E_NOT_READY ? CONNECT_NOT_YET : CONNECT_FAILED;
}

void group_read_connect(struct group *group, int code, const char *message, int64_t retry_after_ms,
                        json_t *reply, struct connect_answer *ret)
{
    *ret = (struct connect_answer) { .kind = kind_of(code),
                                     .pause_ms = MAX(retry_after_ms, (int64_t) RETRY_MIN_MS) };
    counts_note_answer(group, code);
    (void) str_cut(ret->why, sizeof(ret->why), message);
    if (ret->kind == CONNECT_KNOWN) {
        ret->connect = build_connect(group, reply);
        if (!ret->connect) {
            ret->kind = CONNECT_FAILED;
            (void) str_copy(ret->why, sizeof(ret->why), "out of memory");
        }
    }
    if (ret->kind == CONNECT_REFUSED) {
        tell_refusal(group, code, ret->why);
        ret->pause_ms = refusal_pause(group);
    } else if (ret->kind == CONNECT_KNOWN ||
               (ret->kind == CONNECT_NOT_YET && !group_cannot_connect(group))) {
        clear_refusal(group); /* beside an instance that boots others may be refused still */
    }
}

void group_connect_anew(struct group *group)
{
    clear_refusal(group);
    for (struct job *job = group->supervisor->jobs; job; job = job->next)
        if (job->group == group && job->connect_at_mono != 0)
            job->connect_at_mono = now_mono(group->supervisor);
    group_restart_gates(group);
}

/* For a job. */

struct connect_turn {
    struct group *group;
    int64_t seq;
};

/* Whether the job still waits. Its time for connecting begins when there is something to connect to. */
static bool wait_for_answer(struct job *job, const struct connect_answer *answer)
{
    const struct config_connector *connector = &group_settings(job->group)->connector;
    int64_t now = now_mono(job->supervisor);
    bool first = job->connect_since_mono == job->assigned_mono, late = true;

    if (answer->kind == CONNECT_NOT_YET) {
        late = now - job->assigned_mono >= connector_patience_ms(connector);
        job->connect_since_mono = now;
        if (first && !late)
            log_info("job %" PRId64 ": there is nothing to connect to yet: %s; it waits",
                     job->job_id, answer->why);
    } else if (answer->kind == CONNECT_REFUSED || answer->kind == CONNECT_FAILED) {
        late = now - job->connect_since_mono >= connector->timeout_ms;
    }
    if (!late)
        job->connect_at_mono = now + answer->pause_ms;
    return !late;
}

static void take_connect_answer(struct group *group, struct job *job,
                                const struct connect_answer *answer)
{
    if (answer->kind == CONNECT_KNOWN) {
        job->connecting = false;
        worker_start(job, answer->connect);
        return;
    }
    if (wait_for_answer(job, answer))
        return;
    job->connecting = false;
    log_error("job %" PRId64 ": instance %s cannot be reached: %s", job->job_id, job->instance_id,
              answer->why);
    if (answer->kind != CONNECT_REFUSED) {
        group_not_reached(group, job->instance_id);
        group_mark_removing(group, job->instance_id, REASON_UNHEALTHY);
    }
    job_fail_system(job, "the provider could not tell how to reach its instance");
}

static void take_connect_info(struct group *group, struct job *job, int code, const char *message,
                              int64_t retry_after_ms, json_t *reply)
{
    struct connect_answer answer;

    group_read_connect(group, code, message, retry_after_ms, reply, &answer);
    take_connect_answer(group, job, &answer);
    json_object_put(answer.connect);
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
    autojson json_t *frame = json_frame("login");
    struct connect_answer answer;

    group_read_connect(turn->group, code, message, retry_after_ms, reply, &answer);
    if (answer.connect)
        (void) json_add(frame, "connect", answer.connect);
    else
        (void) json_add_str(frame, "message", answer.why);
    if (answer.kind != CONNECT_KNOWN && answer.kind != CONNECT_BAD)
        (void) json_add_i64(frame, "retry_after_ms", answer.pause_ms);
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
