/* core/job/vm.c - see the header (nesting.md 6.3). A VM that may be left over is told with the result as `unclean`; the
 * supervisor has the instance looked at before anything else runs there (hardening.md R11). */
#include "core/job/vm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/footprint.h"
#include "core/base/host_port.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/target.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define REMOVE_MS 60000
#define SSH_PORT 22

static const char *plugin_of(const struct job *job)
{
    return text_of(job->isolation_settings, "plugin", "isolation");
}

static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct job *job = arg;
    const struct shown_key shown = { .type = type, .key = key };
    json_t *connect = NULL;

    (void) json_opt_object(job->isolation_settings, "connect", &connect, NULL);
    return report_host_key(job->report, connect, &shown, deadline_mono_ms, err);
}

/* How to log in to the VM, with where it is. */
static int find_target(struct job *job, struct remote_options *ret, struct error *err)
{
    char addr[ISOLATION_TEXT_SIZE], *host;
    json_t *connect = NULL;
    int64_t port = 0;

    memcpy(addr, job->vm.addr, sizeof(addr));
    (void) json_opt_object(job->isolation_settings, "connect", &connect, NULL);
    if (!connect || !*addr)
        return error_set(err, -EINVAL, "%s", connect ? "it has no address" : "nothing says how");
    if (!*text_of(connect, "username", ""))
        return error_set(
            err, -EINVAL,
            "username is missing in [runners.autoscaler.vm_isolation.connector_config]");
    (void) json_opt_i64(connect, "port", 0, 65535, &port, NULL);
    port = host_port_split(addr, &host, port > 0 ? (uint16_t) port : SSH_PORT);
    (void) json_add_str(connect, "address", host);
    (void) json_add_i64(connect, "port", port);
    return target_options(connect, ret, err);
}

/* Where the VM is, for the relay. */
struct way {
    struct job *job;
    char *target;
};

static int dial(void *arg, int64_t deadline_mono_ms, int *ret_fd, struct error *err)
{
    const struct way *way = arg;
    const struct remote_watch watch = stage_watch(way->job);

    return relay_dial(way->job->relay, &watch, way->target, deadline_mono_ms, ret_fd, err);
}

/* A VM that boots is tried again, as an instance that boots is. */
static int connect_to_vm(struct job *job, int64_t deadline, struct error *err)
{
    autofree char *target = NULL;
    struct way way = { .job = job };
    struct remote_options options = { 0 };
    int r = find_target(job, &options, err);

    if (r < 0)
        return r;
    if (!str_eq(options.protocol, "ssh"))
        return error_set(err, -EPROTONOSUPPORT, "VMs are reached by ssh alone, not by %s",
                         options.protocol);
    if (strchr(options.address, ':'))
        target = mem_printf("tcp:[%s]:%u", options.address, options.port);
    else
        target = mem_printf("tcp:%s:%u", options.address, options.port);
    if (!target)
        return error_set(err, -ENOMEM, "out of memory");
    way.target = target;
    options.dial = dial;
    options.dial_arg = &way;
    options.check_host_key = check_host_key;
    options.check_arg = job;
    options.watch = stage_watch(job);
    options.timeout_ms = MIN(options.timeout_ms, deadline - clock_mono_ms(&clock_system));
    r = remote_open(&options, &job->remote, err);
    if (r < 0 && relay_lost(job->relay, err) < 0)
        return -EPIPE;
    /* Who reads of a login or a key thinks of the instance's. */
    if (r == -EACCES || r == -EINVAL)
        return error_wrap(err, r, "login by [runners.autoscaler.vm_isolation.connector_config]");
    return r;
}

static void tell_supervisor(struct job *job)
{
    json_t *frame = json_frame("vm");

    (void) json_add_str(frame, "id", job->vm.id);
    (void) json_add_str(frame, "address", job->vm.addr);
    (void) json_add_str(frame, "image", job->vm_image);
    if (*job->vm.stomped)
        (void) json_add_str(frame, "stomped", job->vm.stomped);
    report_vm(job->report, frame);
}

/* Told before the VM is used, and even when the call was stopped: it is there. */
static int create(struct job *job, int64_t deadline, struct error *err)
{
    const struct isolation_wait wait = { .watch = stage_watch(job), .deadline_mono_ms = deadline };
    int64_t slot = 0;
    int r;

    (void) json_opt_i64(job->slot, "slot", 0, INT32_MAX, &slot, NULL);
    (void) trace_line(job->trace, TRACE_PLAIN, "Creating %s VM %s", plugin_of(job), job->vm_image);
    (void) trace_flush(job->trace);
    job->unclean = true;
    r = isolation_create(job->isolation, &wait, job->vm_image, (int32_t) slot, &job->vm, err);
    if (*job->vm.id)
        tell_supervisor(job);
    if (r < 0)
        return r;
    (void) trace_line(job->trace, TRACE_PLAIN, "Created %s VM %s %s on instance %s", plugin_of(job),
                      job->vm.id, job->vm.addr, job->instance);
    if (*job->vm.stomped)
        (void) trace_line(job->trace, TRACE_PLAIN,
                          "Stomped %s VM: %s, which an earlier job had left on instance %s",
                          plugin_of(job), job->vm.stomped, job->instance);
    (void) trace_flush(job->trace);
    return 0;
}

static struct end failed(struct job *job, int r, int64_t deadline, const char *doing,
                         const struct error *err)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s on instance %s: %s", doing, job->instance, err->message);
    return instance_unreached(job, r, deadline, buf_str(&text));
}

static struct end use_vm(struct job *job, int64_t deadline)
{
    char doing[ISOLATION_TEXT_SIZE + 32];
    struct error err = { 0 };
    int r = create(job, deadline, &err);

    if (r < 0)
        return failed(job, r, deadline, "creating nesting vm", &err);
    r = connect_to_vm(job, deadline, &err);
    if (r < 0) {
        (void) snprintf(doing, sizeof(doing), "dialing nesting vm %s", job->vm.id);
        return failed(job, r, deadline, doing, &err);
    }
    (void) trace_line(job->trace, TRACE_PLAIN, "VM %s on instance %s connected", job->vm.id,
                      job->instance);
    footprint_trim_heap();
    return end_ok();
}

struct end vm_start(struct job *job, int64_t until_ms)
{
    json_t *config = NULL;
    struct error err = { 0 };
    int r;

    (void) trace_line(job->trace, TRACE_PLAIN, "Enforcing VM Isolation");
    (void) trace_line(job->trace, TRACE_PLAIN, "Dialing %s daemon", plugin_of(job));
    (void) trace_line(job->trace, TRACE_PLAIN, "Creating %s VM tunnel", plugin_of(job));
    r = remote_relay(job->remote, &job->relay, &err);
    if (r < 0)
        return end_make(END_SYSTEM, err.message);
    job->remote = NULL;
    (void) json_opt_object(job->isolation_settings, "config", &config, NULL);
    if (!job->isolation)
        r = error_set(&err, -EINVAL, "this worker was started without its plugin");
    else
        r = isolation_open(job->isolation, config, &err);
    if (r < 0) {
        job->unclean = true; /* who cannot make one must not get the next job either */
        return failed(job, r, INT64_MAX, "vm_isolation", &err);
    }
    return use_vm(job, stage_deadline(job, until_ms));
}

static int remove_vm(struct job *job, struct error *err)
{
    const struct isolation_wait wait = {
        .watch = stage_watch_unstoppable(job),
        .deadline_mono_ms = clock_mono_ms(&clock_system) + fault_limit_ms("vm_remove", REMOVE_MS)
    };
    int r = relay_lost(job->relay, err);

    return r == 0 ? isolation_remove(job->isolation, &wait, job->vm.id, err) : r;
}

void vm_remove(struct job *job)
{
    struct error err = { 0 };

    if (!job->relay)
        return;
    remote_close(job->remote);
    job->remote = NULL;
    if (*job->vm.id && remove_vm(job, &err) == 0)
        job->unclean = false;
    else if (*job->vm.id)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "VM %s on instance %s could not be removed: %s; the manager removes it "
                          "before another job runs there",
                          job->vm.id, job->instance, err.message);
}

void vm_name_loss(const struct job *job, const char *message, struct buf *out)
{
    struct error err = { 0 };

    if (*job->vm.id)
        buf_addf(out, "VM %s on instance %s: ", job->vm.id, job->instance);
    if (job->relay && relay_lost(job->relay, &err) < 0)
        message = err.message;
    buf_add_str(out, message);
}

void vm_done(struct job *job)
{
    relay_free(job->relay);
    isolation_stop(job->isolation);
    free(job->vm_image);
}
