/* core/exec/exec.c - the parts of `flotilla exec` put together, and what it prints.
 *
 * Loop: the coordinator asks for a job and tells how it ends, the supervisor tells where it runs.
 * When the pipeline is over the supervisor is drained and stopped, then the coordinator, then the
 * loop has nothing left. Status lines and job lines go to stdout, problems to stderr. */
#include "core/exec/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/coordinator.h"
#include "core/exec/exec_config.h"
#include "core/exec/exec_context.h"
#include "core/exec/job_log.h"
#include "core/exec/leftovers.h"
#include "core/exec/payload.h"
#include "core/exec/pipeline.h"
#include "core/exec/snapshot.h"
#include "core/exec/table.h"
#include "core/supervisor/supervisor.h"

#define FILE_DEFAULT ".gitlab-ci.yml"
#define FILE_MAX ((size_t) 2 << 20)
#define JOB_TIMEOUT_S 3600
#define DISK_FULL                                                                                  \
    "the disk of %s is full; make room there or name another place, as in TMPDIR=/var/tmp"
#define ROOM_BYTES ((size_t) 64 << 10) /* less is a full disk: nothing of ours fits */
#define INTERRUPTED_STATUS 130
#define SOCKET_PATH_MAX 107
#define LONGEST_SOCKET "/control.sock"

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };

/* A job's log on its way to the terminal. */
struct output {
    struct job_log log;
    char *name; /* fit for a terminal */
};

struct exec {
    const struct exec_options *options;
    uv_loop_t loop;
    uv_signal_t signals[ARRAY_LEN(stop_signals)];
    struct buf text; /* of the file */
    struct ci_config *ci;
    struct pipeline *pipeline;
    struct output *outputs; /* one for each job of the pipeline */
    struct snapshot snapshot;
    struct payload_pipeline shared;
    struct config *config;
    struct embedded_coordinator *coordinator;
    struct supervisor *supervisor;
    char *file, *work_dir, *state_dir, *bare, *project_path;
    char created_at[32];
    char runner_token[PAYLOAD_TOKEN_SIZE];
    int64_t began_ms;
    unsigned instances; /* that appeared and are not gone */
    size_t refused;     /* runners that take no jobs any more */
    bool ending, interrupted, failed;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static void say(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void) vprintf(fmt, args);
    va_end(args);
    (void) putchar('\n');
    (void) fflush(stdout);
}

static void complain(const struct error *err)
{
    autobuf struct buf shown = BUF_INIT;

    if (str_empty(err->message)) /* findings have said it */
        return;
    str_display(&shown, err->message, strlen(err->message), sizeof(err->message));
    (void) fflush(stdout);
    (void) fprintf(stderr, "flotilla exec: %s\n", buf_str(&shown));
}

/* Says what a reading found. When that tells why it failed, the error is left without a sentence of
 * its own. */
static int tell_findings(int r, struct config_findings *findings, struct error *err)
{
    config_findings_print(findings, stderr);
    for (size_t i = 0; i < findings->count; i++)
        if (r < 0 && findings->items[i].severity == CONFIG_ERROR)
            *err = (struct error) { .code = r };
    config_findings_done(findings);
    return r;
}

/* The end. */

static void close_handles(struct exec *exec)
{
    embedded_coordinator_close(exec->coordinator);
    exec->coordinator = NULL;
    for (size_t i = 0; i < ARRAY_LEN(exec->signals); i++)
        uv_close((uv_handle_t *) &exec->signals[i], NULL);
}

static void on_stopped(void *arg)
{
    struct exec *exec = arg;

    exec->supervisor = NULL;
    close_handles(exec);
}

static void on_drained(void *arg)
{
    struct exec *exec = arg;

    supervisor_stop(exec->supervisor, STOP_DELETES_ALL, on_stopped, exec);
}

static void end(struct exec *exec)
{
    if (exec->ending)
        return;
    exec->ending = true;
    supervisor_drain(exec->supervisor, on_drained, exec);
}

/* No further job starts, those that run are ended, instances are removed. */
static void abandon(struct exec *exec)
{
    pipeline_cancel(exec->pipeline);
    for (size_t i = 0; i < exec->pipeline->n_jobs; i++)
        if (exec->pipeline->jobs[i].state == PIPELINE_JOB_GIVEN)
            embedded_coordinator_cancel(exec->coordinator, exec->pipeline->jobs[i].id);
    supervisor_abort_jobs(exec->supervisor);
    end(exec);
}

/* Whoever interrupts again does not want to wait for an orderly end. The ledger is the only way to
 * instances that are no processes of this machine. */
static _Noreturn void stop_at_once(const struct exec *exec)
{
    leftovers_kill(exec->work_dir);
    if (exec->options->config || exec->options->state_dir)
        (void) fprintf(stderr,
                       "flotilla exec: stopped at once; instances may be left behind, and %s is, "
                       "which tells of them\n",
                       exec->state_dir);
    else if (fs_remove_tree(AT_FDCWD, exec->work_dir) == 0)
        (void) fprintf(stderr, "flotilla exec: stopped at once\n");
    else
        (void) fprintf(stderr, "flotilla exec: stopped at once; %s is left behind\n",
                       exec->work_dir);
    _exit(INTERRUPTED_STATUS);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct exec *exec = handle->data;

    (void) signum;
    if (exec->interrupted && exec->supervisor)
        stop_at_once(exec);
    exec->interrupted = true;
    if (!exec->supervisor) /* nothing runs yet: was_interrupted() */
        return;
    say("interrupted: ending jobs and removing instances (once more kills them at once)");
    abandon(exec);
}

/* Between the steps of the beginning, in which the loop does not turn. */
static bool was_interrupted(struct exec *exec)
{
    (void) uv_run(&exec->loop, UV_RUN_NOWAIT);
    return exec->interrupted;
}

/* Runners may be refused while the supervisor still starts. */
static void abandon_when_nobody_can_run(struct exec *exec)
{
    if (!exec->supervisor || exec->refused < exec->config->n_runners)
        return;
    exec->failed = true;
    abandon(exec);
}

static void on_runner_refused(struct exec *exec, const char *runner, const char *why)
{
    struct error err = { 0 };

    (void) error_set(&err, -EINVAL, "runner '%s' can't run jobs: %s", runner, why);
    complain(&err);
    exec->refused++;
    abandon_when_nobody_can_run(exec);
}

/* Nobody may be there to make room: waiting for it, as a manager does, could last for ever. */
static void on_disk_full(struct exec *exec)
{
    struct error err = { 0 };

    (void) error_set(&err, -ENOSPC, DISK_FULL, exec->state_dir);
    complain(&err);
    exec->failed = true;
    abandon(exec);
}

/* What the coordinator asks and tells. */

static bool take_job(void *arg, struct embedded_job *ret)
{
    struct exec *exec = arg;
    struct pipeline_job *job = exec->ending ? NULL : pipeline_take(exec->pipeline);
    char token[PAYLOAD_TOKEN_SIZE];
    autojson json_t *payload = NULL;
    struct error err = { 0 };

    if (!job)
        return false;
    payload_token(&rng_system, token);
    if (payload_new(&exec->shared, exec->ci, job->job, job->id, token, &payload, &err) == 0)
        *ret = (struct embedded_job) { .id = job->id,
                                       .token = mem_strdup(token),
                                       .payload = mem_strdup(json_text(payload)) };
    secret_wipe(token, sizeof(token));
    if (ret->token && ret->payload)
        return true;
    free(ret->token);
    free(ret->payload);
    pipeline_give_back(exec->pipeline, job->id);
    return false;
}

static void on_returned(void *arg, int64_t job_id)
{
    struct exec *exec = arg;

    pipeline_give_back(exec->pipeline, job_id);
    embedded_coordinator_wake(exec->coordinator);
}

/* The supervisor says better when a job runs: this only means that it was accepted. */
static void on_running(void *arg, int64_t job_id)
{
    (void) arg;
    (void) job_id;
}

static void on_line(void *arg, const char *text)
{
    const struct output *output = arg;

    say("%s | %s", output->name, text);
}

static struct output *output_of(struct exec *exec, int64_t job_id)
{
    struct pipeline_job *job = pipeline_find(exec->pipeline, job_id);

    return job ? &exec->outputs[job - exec->pipeline->jobs] : NULL;
}

static void on_trace(void *arg, int64_t job_id, const char *data, size_t len)
{
    struct output *output = output_of(arg, job_id);

    if (output)
        job_log_add(&output->log, data, len);
}

static void say_ending(const char *name, const struct pipeline_job *job)
{
    const char *state = pipeline_state_name(job->state);

    if (job->exit_code != 0)
        say("job %s %s: %s, exit code %d", name, state, job->reason, job->exit_code);
    else if (*job->reason)
        say("job %s %s: %s", name, state, job->reason);
    else
        say("job %s %s", name, state);
}

static void on_final(void *arg, int64_t job_id, bool success, const char *failure_reason,
                     int exit_code)
{
    struct exec *exec = arg;
    struct output *output = output_of(exec, job_id);
    const struct pipeline_job *job;

    if (!output)
        return;
    job = &exec->pipeline->jobs[output - exec->outputs];
    job_log_end(&output->log);
    pipeline_finished(exec->pipeline, job_id, success, exit_code, failure_reason, now_ms());
    if (job->state == PIPELINE_JOB_READY)
        say("job %s failed: %s; trying again (%u of %u)", output->name, failure_reason, job->tries,
            job->job->retry.max);
    else
        say_ending(output->name, job);
    if (pipeline_done(exec->pipeline))
        end(exec);
    else if (pipeline_has_ready(exec->pipeline))
        embedded_coordinator_wake(exec->coordinator);
}

static void on_event(void *arg, const struct supervisor_event *event)
{
    struct exec *exec = arg;
    const struct output *output;

    switch (event->kind) {
    case EVENT_INSTANCE_APPEARED:
        exec->instances++;
        say("instance %s appeared", event->instance);
        break;
    case EVENT_INSTANCE_READY:
        say("instance %s is ready", event->instance);
        break;
    case EVENT_INSTANCE_REMOVING:
        say("instance %s is being removed", event->instance);
        break;
    case EVENT_INSTANCE_GONE:
        exec->instances -= exec->instances > 0;
        say("instance %s is gone", event->instance);
        break;
    case EVENT_RUNNER_REFUSED:
        on_runner_refused(exec, event->runner, event->detail);
        break;
    case EVENT_DISK_FULL:
        on_disk_full(exec);
        break;
    case EVENT_JOB_ASSIGNED:
        pipeline_set_instance(exec->pipeline, event->job_id, event->instance);
        break;
    case EVENT_JOB_RUNNING:
        pipeline_started(exec->pipeline, event->job_id, now_ms());
        output = output_of(exec, event->job_id);
        if (output)
            say("job %s running on %s", output->name, event->instance);
        break;
    default:
        break;
    }
}

/* The beginning. */

/* As git does: here, else at the top of the repository. */
static int find_file(const struct exec *exec, char **ret, struct error *err)
{
    autofree char *top = NULL;

    if (exec->options->file || access(FILE_DEFAULT, F_OK) == 0) {
        *ret = mem_strdup(exec->options->file ? exec->options->file : FILE_DEFAULT);
        return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
    }
    if (snapshot_find_top(".", &top, NULL) == 0)
        *ret = mem_printf("%s/" FILE_DEFAULT, top);
    if (*ret && access(*ret, F_OK) == 0)
        return 0;
    return error_set(err, -ENOENT,
                     "there is no " FILE_DEFAULT " here nor at the top of a git repository; --file "
                     "FILE names another file");
}

static int read_file(struct exec *exec, struct error *err)
{
    int r = find_file(exec, &exec->file, err);

    return r < 0 ? r : fs_read_file(AT_FDCWD, exec->file, FILE_MAX, &exec->text, err);
}

static int check_pipeline(const struct exec *exec, struct error *err)
{
    if (exec->ci->never)
        return error_set(err, -ENOENT,
                         "%s makes no pipeline of this: its workflow:rules say so; name the jobs "
                         "to run them all the same",
                         exec->file);
    if (exec->pipeline->n_jobs > 0)
        return 0;
    return error_set(err, -ENOENT,
                     "%s has no job for this: their rules leave all of them out; name the jobs to "
                     "run them all the same",
                     exec->file);
}

/* Rules look at the snapshot, which therefore comes first. */
static int make_pipeline(struct exec *exec, struct error *err)
{
    const struct ci_selection selection = { exec->options->names, exec->options->n_names };
    struct config_findings findings = { 0 };
    struct ci_context context = { 0 };
    int r = exec_context_fill(&exec->shared, &exec->snapshot, &context, err);

    if (r == 0) {
        r = ci_config_parse(exec->file, buf_str(&exec->text), exec->text.len, &selection, &context,
                            &exec->ci, &findings, err);
        r = tell_findings(r, &findings, err);
    }
    ci_context_done(&context);
    if (r < 0)
        return r;
    r = pipeline_new(exec->ci, &selection, now_ms(), &exec->pipeline, err);
    return r < 0 ? error_wrap(err, r, "%s", exec->file) : check_pipeline(exec, err);
}

static int load_config(struct exec *exec, struct error *err)
{
    struct config_findings findings = { 0 };
    int r = exec_config_load(exec->options->config, &exec->config, &findings, err);

    return tell_findings(r, &findings, err);
}

/* The rest of a socket's path has room in `state_dir`. */
static int check_length(const struct exec *exec, const char *parent, struct error *err)
{
    if (strlen(exec->state_dir) + strlen(LONGEST_SOCKET) <= SOCKET_PATH_MAX)
        return 0;
    return error_set(err, -ENAMETOOLONG, "%s is too long a path for the sockets in it; %s", parent,
                     exec->options->state_dir ? "name a shorter --state-dir"
                                              : "set a shorter one, as in TMPDIR=/tmp");
}

/* Whether TMPDIR is absolute matters, because others resolve it elsewhere. Not XDG_RUNTIME_DIR:
 * jobs build in here, and that one is small and may forbid to execute. */
static int make_work_dir(struct exec *exec, struct error *err)
{
    const char *parent = getenv("TMPDIR");

    if (!parent || *parent != '/')
        parent = "/tmp";
    exec->work_dir = mem_printf("%s/flotilla-exec-XXXXXX", parent);
    if (!exec->work_dir)
        return error_set(err, -ENOMEM, "out of memory");
    if (!mkdtemp(exec->work_dir)) {
        int code = -errno;

        free(take_ptr(exec->work_dir));
        return error_errno(err, code, "no temporary directory can be made in %s", parent);
    }
    exec->bare = mem_printf("%s/repository.git", exec->work_dir);
    exec->state_dir = exec->options->state_dir ? mem_strdup(exec->options->state_dir)
                                               : mem_printf("%s/state", exec->work_dir);
    if (!exec->bare || !exec->state_dir || leftovers_mark(exec->work_dir) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return check_length(exec, exec->options->state_dir ? exec->state_dir : parent, err);
}

static int take_snapshot(struct exec *exec, struct error *err)
{
    const char *slash;
    time_t now = time(NULL);
    struct tm parts;
    int r = snapshot_take(".", exec->bare, &exec->snapshot, err);

    if (r < 0)
        return r;
    slash = strrchr(exec->snapshot.top, '/');
    exec->project_path = mem_printf("local/%s", slash && slash[1] ? slash + 1 : "project");
    if (!exec->project_path)
        return error_set(err, -ENOMEM, "out of memory");
    (void) strftime(exec->created_at, sizeof(exec->created_at), "%Y-%m-%dT%H:%M:%SZ",
                    gmtime_r(&now, &parts));
    exec->shared = (struct payload_pipeline) {
        .id = 1,
        .project_id = 1,
        .timeout_s = JOB_TIMEOUT_S,
        .project_name = exec->project_path + strlen("local/"),
        .project_path = exec->project_path,
        .project_namespace = "local",
        .repo_url = exec->snapshot.url,
        .object_format = exec->snapshot.object_format,
        .sha = exec->snapshot.sha,
        .before_sha = "0000000000000000000000000000000000000000",
        .ref = exec->snapshot.ref,
        .branch = exec->snapshot.detached ? NULL : exec->snapshot.ref,
        .default_branch = exec->snapshot.default_branch,
        .tag = exec->snapshot.tag,
        .message = exec->snapshot.message,
        .author = exec->snapshot.author,
        .timestamp = exec->snapshot.timestamp,
        .user_name = exec->snapshot.user_name,
        .user_email = exec->snapshot.user_email,
        .config_path = exec->file,
        .created_at = exec->created_at,
    };
    return 0;
}

static int make_outputs(struct exec *exec, struct error *err)
{
    bool colours = isatty(STDOUT_FILENO) == 1;

    exec->outputs = mem_array(exec->pipeline->n_jobs + 1, sizeof(*exec->outputs));
    if (!exec->outputs)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < exec->pipeline->n_jobs; i++) {
        const char *name = exec->pipeline->jobs[i].job->name;
        struct output *output = &exec->outputs[i];
        autobuf struct buf shown = BUF_INIT;

        str_display(&shown, name, strlen(name), strlen(name));
        output->name = buf_take(&shown);
        if (!output->name)
            return error_set(err, -ENOMEM, "out of memory");
        output->log = (struct job_log) { .colours = colours, .on_line = on_line, .arg = output };
    }
    return 0;
}

static int start_coordinator(struct exec *exec, struct error *err)
{
    struct embedded_options options = { .runner_token = exec->runner_token,
                                        .interval_s = 1,
                                        .take_job = take_job,
                                        .on_returned = on_returned,
                                        .on_running = on_running,
                                        .on_trace = on_trace,
                                        .on_final = on_final,
                                        .arg = exec };
    char random[41];

    rng_hex(&rng_system, random, 20);
    (void) snprintf(exec->runner_token, sizeof(exec->runner_token), "glrt-%s", random);
    return embedded_coordinator_new(&exec->loop, 0, &options, &exec->coordinator, err);
}

static int start_supervisor(struct exec *exec, struct error *err)
{
    struct supervisor_options options;
    int r = exec_config_lead(exec->config, embedded_coordinator_url(exec->coordinator),
                             exec->runner_token, err);

    if (r < 0)
        return r;
    options = (struct supervisor_options) { .config = exec->config,
                                            .state_dir = exec->state_dir,
                                            .self_exe = exec->options->self_exe,
                                            .plugin_dirs = exec->options->plugin_dirs,
                                            .on_event = on_event,
                                            .arg = exec };
    return supervisor_start(&exec->loop, &options, &exec->supervisor, err);
}

static void watch_signals(struct exec *exec)
{
    for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++) {
        (void) uv_signal_init(&exec->loop, &exec->signals[i]);
        exec->signals[i].data = exec;
        (void) uv_signal_start(&exec->signals[i], on_signal, stop_signals[i]);
    }
}

static int set_up(struct exec *exec, struct error *err)
{
    int r = make_work_dir(exec, err);

    if (r == 0)
        r = take_snapshot(exec, err);
    if (was_interrupted(exec))
        return error_set(err, -EINTR, "interrupted");
    if (r == 0)
        r = make_pipeline(exec, err);
    if (r == 0)
        r = make_outputs(exec, err);
    if (r < 0)
        return r;
    say("running %zu job(s) of %s at %.8s%s", exec->pipeline->n_jobs, exec->shared.ref,
        exec->snapshot.head, exec->snapshot.changed ? " with uncommitted changes" : "");
    r = start_coordinator(exec, err);
    return r < 0 ? r : start_supervisor(exec, err);
}

/* What failed says little when there was no room for it. */
static void explain_full_disk(const struct exec *exec, struct error *err)
{
    struct statvfs place;

    if (!str_empty(err->message) && exec->work_dir && statvfs(exec->work_dir, &place) == 0 &&
        place.f_bavail * place.f_frsize < ROOM_BYTES)
        (void) error_wrap(err, err->code, DISK_FULL, exec->work_dir);
}

static void run_loop(struct exec *exec)
{
    struct error err = { 0 };

    if (uv_loop_init(&exec->loop) < 0) {
        exec->failed = true;
        return;
    }
    exec->began_ms = now_ms();
    watch_signals(exec);
    if (set_up(exec, &err) == 0) {
        abandon_when_nobody_can_run(exec);
    } else {
        explain_full_disk(exec, &err);
        complain(&err);
        exec->failed = true;
        close_handles(exec);
    }
    (void) uv_run(&exec->loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&exec->loop);
}

static void print_table(const struct exec *exec)
{
    autobuf struct buf table = BUF_INIT;

    table_format(&table, exec->pipeline, now_ms() - exec->began_ms);
    (void) fputs("\n", stdout);
    (void) fputs(buf_str(&table), stdout);
    (void) fflush(stdout);
}

/* A directory whose instances are still there is kept: it is the only way to them. */
static void remove_work_dir(const struct exec *exec)
{
    if (!exec->work_dir)
        return;
    if (exec->instances > 0)
        (void) fprintf(stderr, "flotilla exec: %u instance(s) are still there; %s is kept\n",
                       exec->instances, exec->work_dir);
    else if (fs_remove_tree(AT_FDCWD, exec->work_dir) < 0)
        (void) fprintf(stderr, "flotilla exec: %s can't be removed\n", exec->work_dir);
}

static void done(struct exec *exec)
{
    if (exec->pipeline)
        for (size_t i = 0; exec->outputs && i < exec->pipeline->n_jobs; i++) {
            buf_done(&exec->outputs[i].log.pending);
            free(exec->outputs[i].name);
        }
    free(exec->outputs);
    pipeline_free(exec->pipeline);
    ci_config_free(exec->ci);
    config_free(exec->config);
    snapshot_done(&exec->snapshot);
    secret_wipe(exec->runner_token, sizeof(exec->runner_token));
    remove_work_dir(exec);
    buf_done(&exec->text);
    free(exec->file);
    free(exec->work_dir);
    free(exec->state_dir);
    free(exec->bare);
    free(exec->project_path);
}

int exec_run(const struct exec_options *options)
{
    struct exec exec = { .options = options };
    struct error err = { 0 };
    int status = 1, r;

    (void) signal(SIGPIPE, SIG_IGN);
    r = read_file(&exec, &err);
    if (r == 0)
        r = load_config(&exec, &err);
    if (r < 0) {
        complain(&err);
        done(&exec);
        return status;
    }
    run_loop(&exec);
    if (!exec.failed)
        print_table(&exec);
    if (exec.interrupted)
        status = INTERRUPTED_STATUS;
    else if (!exec.failed && pipeline_passed(exec.pipeline))
        status = 0;
    done(&exec);
    return status;
}
