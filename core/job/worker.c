/* core/job/worker.c - the worker process around a job: confines itself, takes the start frame,
 * runs, ends (worker.h, hardening.md §5). */
#include "core/job/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/footprint.h"
#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/str.h"
#include "core/job/connect/divert.h"
#include "core/job/connect/ssh.h"
#include "core/job/connect/target.h"
#include "core/job/helper.h"
#include "core/job/job.h"
#include "core/job/sandbox.h"

#define LOG_TOPIC "worker"
#include "core/base/log.h"

int worker_confine(const char *name, const char *isolation_file, struct isolation **ret_isolation)
{
    int r;

    (void) umask(077);
    (void) signal(SIGPIPE, SIG_IGN);
    (void) prctl(PR_SET_NAME, name);
    (void) setpgid(0, 0);
    r = harden_process();
    if (r == 0 && isolation_file) {
        (void) signal(SIGCHLD, SIG_IGN); /* nobody waits for the plugin's process */
        r = isolation_start(isolation_file, ret_isolation);
    }
    return r < 0 ? r : sandbox_enter();
}

/* A job that can't even be set up still ends with a sentence in its log. */
static void fail_early(struct job *job, int spool_fd, const struct error *err)
{
    autojson json_t *result = json_frame("result");
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "\033[31;1mERROR: Job failed (system failure): %s\033[0;m\n", err->message);
    if (buf_error(&line) == 0)
        (void) fs_write_all(spool_fd, line.data, line.len);
    (void) json_add_str(result, "state", "failed");
    (void) json_add_str(result, "failure_reason", "runner_system_failure");
    report_result(job->report, result);
}

static json_t *parts_of(json_t *obj, const char *const *names)
{
    json_t *parts = json_object_new_object(), *value = NULL;

    for (; parts && *names; names++)
        if (json_object_object_get_ex(obj, *names, &value))
            (void) json_add(parts, *names, json_object_get(value));
    return parts;
}

/* What the job's row holds besides, should the ledger be lost. */
static json_t *identity_of(const struct job *job, bool debug_trace)
{
    static const char *const of_payload[] = { "id", "token", "job_info", "runner_info", NULL };
    static const char *const of_runner[] = { "name", "url", NULL };
    json_t *identity = json_frame("identity");

    (void) json_add(identity, "payload", parts_of(job->payload, of_payload));
    (void) json_add(identity, "runner", parts_of(job->runner, of_runner));
    (void) json_add(identity, "slot", json_object_get(job->slot));
    (void) json_add_bool(identity, "debug_trace", debug_trace);
    return identity;
}

/* What must happen before the instance is heard; a process that waited for this job with its connection
 * has done it. */
static int get_ready(struct job *job, struct error *err)
{
    struct remote_options options;
    int r;

    if (job->remote)
        return 0;
    if (helper_is_needed(job))
        helper_open_files(job);
    r = target_options(job->connect, &options, err);
    return r < 0 ? r : sandbox_narrow(&options, job_output_limit(job), err);
}

int job_worker_serve(struct job *job, int spool_fd, json_t *connect)
{
    const char *key = "", *control_socket = "";
    json_t *start = NULL;
    struct error err = { 0 };
    bool debug_trace;
    int r = report_wait_start(job->report, &start, &err);

    if (r == 0)
        return 0; /* the supervisor went before it said anything */
    if (r < 0) {
        log_error("%s", err.message);
        return 1;
    }
    if (connect)
        (void) json_add(start, "connect", json_object_get(connect));
    (void) json_opt_str(start, "key", &key, NULL);
    (void) json_opt_str(start, "control_socket", &control_socket, NULL);
    r = job_settings(job, start, &err);
    divert_to_loopback(job->connect);
    debug_trace = job->trace_script || variables_flag(&job->variables, "CI_DEBUG_SERVICES", false);
    report_identity(job->report, identity_of(job, debug_trace));
    report_inputs(job->report, job->inputs_used, job->inputs_error);
    if (report_started(job->report, job->seq, key, control_socket, debug_trace) < 0)
        return 1;
    if (r == 0)
        r = get_ready(job, &err);
    if (r == 0)
        r = job_open_trace(job, spool_fd, &err);
    if (r < 0)
        fail_early(job, spool_fd, &err);
    else
        job_run(job);
    return 0;
}

int job_worker_main(int control_fd, int spool_fd, const char *isolation)
{
    struct job job = { 0 };
    struct error err = { 0 };
    int status;

    if (worker_confine("flotilla-job", isolation, &job.isolation) < 0 ||
        fs_set_cloexec(control_fd) < 0 || fs_set_cloexec(spool_fd) < 0 ||
        report_new(control_fd, spool_fd, &job.report, &err) < 0)
        return 125;
    status = job_worker_serve(&job, spool_fd, NULL);
    job_done(&job);
    report_free(job.report);
    return status;
}

int job_worker_prepare(bool filter_calls, struct error *err)
{
    autojson json_t *json = NULL;
    int r = sandbox_prepare(filter_calls, err);

    ssh_library_warm_up();
    tzset(); /* else the first time stamp reads the zone */
    (void) json_parse("{\"a\":[1,2.5,\"x\"]}", 17, &json, NULL);
    /* What warming up freed would be shared pages that each worker makes its own by using them. */
    footprint_trim_heap();
    footprint_trim_image();
    return r;
}
