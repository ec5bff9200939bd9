/* core/job/instance.c - reaching the job's instance: whether it is the right one, and the connection to
 * it (hardening.md N1). */
#include <errno.h>

#include "core/base/clock.h"
#include "core/base/footprint.h"
#include "core/base/str.h"
#include "core/job/job.h"

#define CONNECT_MS (10 * 60 * 1000)

static bool key_vouched_for(json_t *keys, const char *type, const char *key)
{
    for (size_t i = 0; keys && i < json_object_array_length(keys); i++) {
        json_t *item = json_object_array_get_idx(keys, i);

        if (str_eq(text_of(item, "type", ""), type) && str_eq(text_of(item, "key", ""), key))
            return true;
    }
    return false;
}

/* The right key needs no question. One that the provider does not vouch for is told, too: the
 * supervisor replaces the instance. */
static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct job *job = arg;
    const char *policy = text_of(job->connect, "host_key_policy", "");
    struct shown_key shown = { .type = type, .key = key, .pinned = str_eq(policy, "pin") };
    json_t *keys = NULL;

    (void) json_opt_array(job->connect, "host_keys", &keys, NULL);
    if (str_eq(policy, "accept") || (shown.pinned && key_vouched_for(keys, type, key)))
        return 0;
    return report_host_key(job->report, &shown, deadline_mono_ms, err);
}

/* A job whose own time ran out while it waited for its instance is out of time; that the instance
 * took longer than it may is a failure of the system. */
static struct end not_connected(struct job *job, int r, const char *message)
{
    bool out_of_time = clock_mono_ms(&clock_system) >= job->deadline_ms;

    if (r == -EINTR || r == -ECANCELED || r == -ENETRESET)
        return end_from_error(job, r, message);
    return out_of_time ? end_from_error(job, -ETIMEDOUT, message) : end_make(END_SYSTEM, message);
}

uint16_t instance_port(const struct job *job)
{
    int64_t port = 22;

    (void) json_opt_i64(job->connect, "port", 1, 65535, &port, NULL);
    return (uint16_t) port;
}

struct end instance_connect(struct job *job)
{
    struct ssh_options options = { .address = text_of(job->connect, "address", ""),
                                   .username = text_of(job->connect, "username", ""),
                                   .password = text_of(job->connect, "password", ""),
                                   .private_key = text_of(job->connect, "key", ""),
                                   .timeout_ms = CONNECT_MS,
                                   .keepalive_ms = 30000,
                                   .check_host_key = check_host_key,
                                   .check_arg = job,
                                   .watch = stage_watch(job) };
    const char *protocol = text_of(job->connect, "protocol", "ssh"), *shown;
    struct error err = { 0 };
    int r;

    if (!str_eq(protocol, "ssh")) {
        (void) error_set(&err, -EPROTONOSUPPORT, "protocol %s is not supported yet", protocol);
        return end_make(END_SYSTEM, err.message);
    }
    (void) json_opt_i64(job->connect, "timeout_ms", 1, INT64_MAX, &options.timeout_ms, NULL);
    (void) json_opt_i64(job->connect, "keepalive_ms", 0, INT64_MAX, &options.keepalive_ms, NULL);
    options.timeout_ms = MIN(options.timeout_ms, job->deadline_ms - clock_mono_ms(&clock_system));
    options.port = instance_port(job);
    if (str_empty(options.address) || str_empty(options.username))
        return end_make(END_SYSTEM, "the provider gave no address or no user name");
    shown = text_of(job->connect, "log_address", "");
    (void) trace_line(job->trace, TRACE_PLAIN, "Dialing instance %s%s%s...", job->instance,
                      *shown ? ", " : "", shown);
    (void) trace_flush(job->trace);
    r = ssh_open(&options, &job->ssh, &err);
    if (r < 0)
        return not_connected(job, r, err.message);
    (void) trace_line(job->trace, TRACE_PLAIN, "Instance %s connected", job->instance);
    /* Most of what a worker ever frees it has freed by now; the rest of its life is waiting. */
    footprint_trim_heap();
    return end_ok();
}
