/* core/supervisor/enter.c - `flotilla ssh`: what it takes to log in to an instance, or to a job's VM, as the manager does
 * (enter.h). The provider is asked anew, as for a job; what comes of it leaves this process by the control socket alone,
 * and the log says who got it. */
#include "core/supervisor/enter.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/group_parts.h"
#include "core/supervisor/hold.h"

#define LOG_TOPIC "operator"
#include "core/base/log.h"

struct enter { /* the provider is asked */
    struct supervisor *supervisor;
    struct group *group;
    struct enter *next;
    char instance_id[256], who[64];
    json_t *place; /* the answer, but for `connect` */
    enter_done_fn done;
    void *arg;
};

/* The key that the instance showed first, where the provider knows none. */
static void add_known_key(const struct enter *enter, json_t *connect)
{
    struct ledger_host_key known;
    json_t *given = NULL, *keys, *key;

    (void) json_opt_array(connect, "host_keys", &given, NULL);
    if ((given && json_object_array_length(given) > 0) ||
        ledger_find_host_key(enter->supervisor->ledger, enter->group->id, enter->instance_id,
                             &known, NULL) != 1)
        return;
    keys = json_object_new_array();
    key = json_object_new_object();
    if (!keys || !key) {
        json_object_put(keys);
        json_object_put(key);
        return;
    }
    (void) json_add_str(key, "type", known.type);
    (void) json_add_str(key, "key", known.key);
    (void) json_object_array_add(keys, key);
    (void) json_add(connect, "host_keys", keys);
}

static json_t *refusal(const char *message)
{
    json_t *answer = json_frame("error");

    (void) json_add_str(answer, "message", message);
    return answer;
}

static json_t *hand_out(const struct enter *enter, json_t *connect)
{
    const char *protocol = "", *address = "", *username = "";
    char message[512];

    (void) json_opt_str(connect, "protocol", &protocol, NULL);
    (void) json_opt_str(connect, "address", &address, NULL);
    (void) json_opt_str(connect, "username", &username, NULL);
    if (!str_eq(protocol, "ssh")) {
        (void) snprintf(message, sizeof(message),
                        "instance %.80s is reached by %.20s and not by ssh; enter it as '%.80s' at "
                        "%.100s with a program for that, such as Remote Desktop",
                        enter->instance_id, protocol, username, address);
        return refusal(message);
    }
    add_known_key(enter, connect);
    (void) json_add(enter->place, "connect", json_object_get(connect));
    log_notice("an operator's command: %s was told how to log in to instance %s of runner '%s'",
               enter->who, enter->instance_id, enter->group->runner->name);
    return json_object_get(enter->place);
}

static void drop(struct enter *enter)
{
    for (struct enter **at = &enter->supervisor->enters; *at; at = &(*at)->next)
        if (*at == enter) {
            *at = enter->next;
            break;
        }
    json_object_put(enter->place);
    free(enter);
}

static void on_connect_info(void *arg, int code, const char *message, int64_t retry_after_ms,
                            json_t *reply)
{
    struct enter *enter = arg;
    autojson json_t *told = NULL;
    struct connect_answer answer;
    char why[512];

    group_read_connect(enter->group, code, message, retry_after_ms, reply, &answer);
    if (answer.kind == CONNECT_KNOWN) {
        told = hand_out(enter, answer.connect);
    } else {
        (void) snprintf(why, sizeof(why), "instance %.80s cannot be reached: %.300s",
                        enter->instance_id, answer.why);
        told = refusal(why);
    }
    json_object_put(answer.connect);
    if (enter->done && told)
        enter->done(enter->arg, told);
    drop(enter);
}

/* With VM isolation: how to log in to it, by way of the instance. */
static void add_vm(json_t *place, const struct group *group, const char *address)
{
    json_t *vm = group_vm_connect(group);

    (void) json_add_str(vm, "address", address);
    (void) json_add(place, "vm", vm);
}

/* Where the job works. */
static int add_job(json_t *place, const struct job *job, struct error *err)
{
    (void) json_add_i64(place, "job", job->job_id);
    (void) json_add_str(place, "directory", job->directory);
    if (!group_is_isolated(job->group))
        return 0;
    if (!job->vm_address)
        return error_set(err, -EAGAIN, "the VM of job %" PRId64 " is not there yet", job->job_id);
    add_vm(place, job->group, job->vm_address);
    return 0;
}

/* Where it worked. */
static void add_hold(json_t *place, const struct group *group, const struct hold *hold)
{
    (void) json_add_i64(place, "job", hold->job_id);
    (void) json_add_str(place, "directory", hold->directory);
    if (hold->vm_address)
        add_vm(place, group, hold->vm_address);
}

static int find(struct supervisor *supervisor, json_t *request, struct named *ret, json_t *answer,
                struct error *err)
{
    struct operator_name name;
    struct hold_place place;
    const struct hold *hold;
    int r = name_of_request(request, true, &name, err);

    if (r == 0)
        r = hold_find(supervisor, &name, &place, err);
    if (r != 0)
        return r;
    *ret = place.named;
    hold = hold_of(ret->group, ret->instance->id);
    if (place.job)
        return add_job(answer, place.job, err);
    if (place.of_job && !hold)
        return error_set(err, -ENOENT, "job '%.80s' has ended; its instance was %.80s", name.text,
                         ret->instance->id);
    if (place.of_job)
        add_hold(answer, ret->group, hold);
    return 0;
}

int enter_start(struct supervisor *supervisor, json_t *request, const char *who, enter_done_fn done,
                void *arg, struct error *err)
{
    struct enter *enter = mem_zero(sizeof(*enter));
    struct named named = { 0 };
    int r;

    if (!enter || !(enter->place = json_frame("enter"))) {
        free(enter);
        return error_set(err, -ENOMEM, "out of memory");
    }
    enter->supervisor = supervisor;
    r = find(supervisor, request, &named, enter->place, err);
    if (r != 0) {
        drop(enter);
        return r;
    }
    enter->group = named.group;
    enter->done = done;
    enter->arg = arg;
    (void) str_copy(enter->who, sizeof(enter->who), who);
    (void) str_copy(enter->instance_id, sizeof(enter->instance_id), named.instance->id);
    (void) json_add_str(enter->place, "runner", named.group->runner->name);
    (void) json_add_str(enter->place, "instance", named.instance->id);
    (void) json_add_str(enter->place, "shell", named.group->runner->shell);
    enter->next = supervisor->enters;
    supervisor->enters = enter;
    if (group_ask(enter->group, "connect_info", enter->instance_id, on_connect_info, enter) == 0)
        return 0;
    drop(enter);
    return error_set(err, -EHOSTDOWN, "runner '%s': its provider cannot be called: %.200s",
                     named.group->runner->name,
                     *named.group->provider_error ? named.group->provider_error
                                                  : "it is being opened; try again in a moment");
}

void enter_forget(struct supervisor *supervisor, const void *arg)
{
    for (struct enter *enter = supervisor->enters; enter; enter = enter->next)
        if (enter->arg == arg)
            enter->done = NULL;
}
