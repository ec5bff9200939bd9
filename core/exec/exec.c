/* core/exec/exec.c - the parts of `flotilla exec` put together; of `flotilla coordinator` as well, which
 * has no supervisor: other runners take the jobs.
 *
 * Loop: the coordinator asks for a job and tells how it ends, the supervisor tells where it runs.
 * When the pipeline is over the supervisor is drained and stopped, then the coordinator, then the
 * loop has nothing left. What happens goes to stdout (show.c), problems to stderr. */
#include "core/exec/exec_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/exec/artifact_list.h"
#include "core/exec/exec_config.h"
#include "core/exec/leftovers.h"
#include "core/exec/listen_address.h"
#include "core/exec/report.h"
#include "core/exec/screen.h"
#include "core/exec/table.h"
#include "core/page/page.h"

#define INTERRUPTED_STATUS 130

static const int stop_signals[EXEC_STOP_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

void exec_complain(const struct exec *exec, const struct error *err)
{
    autobuf struct buf shown = BUF_INIT;

    if (str_empty(err->message)) /* findings have said it */
        return;
    str_display(&shown, err->message, strlen(err->message), sizeof(err->message));
    (void) fflush(stdout);
    (void) fprintf(stderr, "flotilla %s: %s\n", exec_command_name(exec), buf_str(&shown));
}

/* The end. */

static void close_handles(struct exec *exec)
{
    embedded_coordinator_close(exec->coordinator);
    exec->coordinator = NULL;
    vm_daemon_stop(take_ptr(exec->vm_daemon));
    show_close(exec->show);
    /* What remains is short, and leaves something behind when it is cut off. */
    for (size_t i = 0; i < ARRAY_LEN(exec->signals); i++) {
        uv_close((uv_handle_t *) &exec->signals[i], NULL);
        (void) signal(stop_signals[i], SIG_IGN);
    }
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

void exec_end(struct exec *exec)
{
    if (exec->ending)
        return;
    exec->ending = true;
    if (exec->supervisor)
        supervisor_drain(exec->supervisor, on_drained, exec);
    else
        close_handles(exec);
}

void exec_abandon(struct exec *exec)
{
    pipeline_cancel(exec->pipeline);
    for (size_t i = 0; i < exec->pipeline->n_jobs; i++) {
        const struct pipeline_job *job = &exec->pipeline->jobs[i];

        if (job->state == PIPELINE_JOB_GIVEN ||
            (job->state == PIPELINE_JOB_RUNNING && exec_is_alone(exec)))
            embedded_coordinator_cancel(exec->coordinator, job->id);
    }
    if (exec->supervisor)
        supervisor_abort_jobs(exec->supervisor);
    if (exec->supervisor || pipeline_done(exec->pipeline))
        exec_end(exec);
}

/* Whoever interrupts again does not want to wait for an orderly end. The ledger is the only way to
 * instances that are no processes of this machine. */
static _Noreturn void stop_at_once(const struct exec *exec)
{
    screen_leave();
    leftovers_kill(exec->work_dir);
    if (exec->options->config || exec->options->state_dir)
        (void) fprintf(stderr,
                       "flotilla exec: stopped at once; instances may be left behind, and %s is, "
                       "which tells of them\n",
                       exec->state_dir);
    else if (fs_remove_tree(AT_FDCWD, exec->work_dir) == 0)
        (void) fprintf(stderr, "flotilla %s: stopped at once\n", exec_command_name(exec));
    else
        (void) fprintf(stderr, "flotilla %s: stopped at once; %s is left behind\n",
                       exec_command_name(exec), exec->work_dir);
    _exit(INTERRUPTED_STATUS);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct exec *exec = handle->data;
    bool runs = exec->supervisor || (exec_is_alone(exec) && exec->coordinator);

    (void) signum;
    if (exec->interrupted && runs)
        stop_at_once(exec);
    exec->interrupted = true;
    if (!runs) /* not yet, was_interrupted() asks; or no more */
        return;
    show_say(exec->show, exec_is_alone(exec)
                             ? "interrupted: runners are told to end their jobs (once more waits "
                               "for nothing)"
                             : "interrupted: ending jobs and removing instances (once more kills "
                               "them at once)");
    exec_abandon(exec);
}

/* Between the steps of the beginning, in which the loop does not turn. */
static bool was_interrupted(struct exec *exec)
{
    (void) uv_run(&exec->loop, UV_RUN_NOWAIT);
    return exec->interrupted;
}

void exec_abandon_when_nobody_can_run(struct exec *exec)
{
    if (!exec->supervisor || exec->refused < exec->config->n_runners)
        return;
    exec->failed = true;
    exec_abandon(exec);
}

/* The beginning. */

static int start_coordinator(struct exec *exec, struct error *err)
{
    struct embedded_options options = exec_coordinator_options(exec);
    struct sockaddr_storage address;
    char random[41];
    int r = 0;

    if (exec_is_alone(exec))
        r = listen_address_parse(exec->options->listen, &address, err);
    if (r < 0)
        return r;
    rng_hex(&rng_system, random, 20);
    (void) snprintf(exec->runner_token, sizeof(exec->runner_token), "glrt-%s", random);
    r = embedded_coordinator_new(&exec->loop, exec_is_alone(exec) ? &address : NULL, &options,
                                 &exec->coordinator, err);
    if (r < 0)
        return error_wrap(err, r, "%s", exec_is_alone(exec) ? exec->options->listen : "127.0.0.1");
    return exec->options->vms
               ? exec_lead_sources(exec, embedded_coordinator_url(exec->coordinator), err)
               : 0;
}

static int start_show(struct exec *exec, struct error *err)
{
    const char *changed = exec->snapshot.changed ? " with uncommitted changes" : "";
    int r;

    exec->title = mem_printf("%s, %s at %.8s%s", exec->shared.project_name, exec->shared.ref,
                             exec->snapshot.head, changed);
    if (!exec->title)
        return error_set(err, -ENOMEM, "out of memory");
    r = show_new(&exec->loop, exec->pipeline, &exec->history, exec->title, &exec->show, err);
    if (r < 0)
        return r;
    show_say(exec->show, "%s %zu job%s of %s at %.8s%s",
             exec_is_alone(exec) ? "serving" : "running", exec->pipeline->n_jobs,
             str_plural(exec->pipeline->n_jobs), exec->shared.ref, exec->snapshot.head, changed);
    if (exec_is_alone(exec))
        show_say(exec->show, "url = \"%s\"\ntoken = \"%s\"",
                 embedded_coordinator_url(exec->coordinator), exec->runner_token);
    return 0;
}

/* Without it no further job gets a VM. */
static void on_daemon_ended(void *arg, const char *why)
{
    struct exec *exec = arg;

    show_say(exec->show, "no VMs any more: %s", why);
    exec->failed = true;
    exec_abandon(exec);
}

static int start_daemon(struct exec *exec, struct error *err)
{
    autofree char *folder = mem_printf("%s/vms", exec->work_dir);
    const struct vm_daemon_options options = { .self_exe = exec->options->self_exe,
                                               .folder = folder,
                                               .settings = exec->options->vms->settings,
                                               .image_directory = exec->vm_image.folder,
                                               .on_end = on_daemon_ended,
                                               .arg = exec };

    return folder ? vm_daemon_start(&exec->loop, &options, &exec->vm_daemon, err)
                  : error_set(err, -ENOMEM, "out of memory");
}

static int start_supervisor(struct exec *exec, struct error *err)
{
    struct supervisor_options options;
    int r = exec_config_lead(exec->config, embedded_coordinator_url(exec->coordinator),
                             exec->runner_token, exec->cache_dir, err);

    if (r < 0)
        return r;
    options = (struct supervisor_options) { .config = exec->config,
                                            .state_dir = exec->state_dir,
                                            .passing = true,
                                            .self_exe = exec->options->self_exe,
                                            .plugin_dirs = exec->options->plugin_dirs,
                                            .listen_address = "",
                                            .on_event = exec_on_event,
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
    int r = exec_make_work_dir(exec, err);

    if (r == 0 && exec->options->vms)
        r = start_daemon(exec, err);
    if (r == 0 && !exec_is_alone(exec))
        r = exec_load_config(exec, err);
    if (r == 0)
        r = exec_take_snapshot(exec, err);
    if (was_interrupted(exec))
        return error_set(err, -EINTR, "interrupted");
    if (r == 0)
        r = exec_make_pipeline(exec, err);
    if (r == 0)
        r = exec_make_store(exec, err);
    if (r == 0)
        r = start_coordinator(exec, err);
    if (r == 0)
        r = start_show(exec, err);
    if (r < 0 || exec_is_alone(exec) || pipeline_done(exec->pipeline))
        return r;
    return start_supervisor(exec, err);
}

static void run_loop(struct exec *exec)
{
    struct error err = { 0 };

    if (uv_loop_init(&exec->loop) < 0) {
        exec->failed = true;
        return;
    }
    exec->history.began_ms = now_ms();
    watch_signals(exec);
    if (set_up(exec, &err) == 0) {
        if (pipeline_done(exec->pipeline)) /* all wait for a person, or for a failure */
            exec_end(exec);
        else
            exec_abandon_when_nobody_can_run(exec);
    } else {
        exec_explain_full_disk(exec, &err);
        exec_complain(exec, &err);
        exec->failed = true;
        close_handles(exec);
    }
    (void) uv_run(&exec->loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&exec->loop);
    /* A guest outlives its daemon, and one that could not be removed goes now. */
    if (exec->options->vms && exec->work_dir && exec->instances == 0)
        leftovers_kill(exec->work_dir);
}

static void print_artifacts(const struct exec *exec)
{
    autobuf struct buf list = BUF_INIT;
    bool stay = exec->options->artifacts != NULL;

    artifact_list_format(&list, exec->pipeline, exec->artifacts, stay);
    if (list.len == 0)
        return;
    (void) printf("\n%s", buf_str(&list));
    if (!stay && !exec_is_alone(exec))
        (void) fputs("(they are gone now; --artifacts DIR keeps them)\n", stdout);
}

static void print_table(const struct exec *exec)
{
    autobuf struct buf table = BUF_INIT;

    table_format(&table, exec->pipeline, exec->history.ended_ms - exec->history.began_ms);
    (void) fputs("\n", stdout);
    (void) fputs(buf_str(&table), stdout);
    (void) fflush(stdout);
}

static int write_report(const struct exec *exec, struct error *err)
{
    const struct report report = { .pipeline = exec->pipeline,
                                   .history = &exec->history,
                                   .artifacts = exec->artifacts,
                                   .title = exec->title,
                                   .when = exec->created_at,
                                   .verdict = table_verdict(exec->pipeline) };
    int r = report_write(&report, exec->options->report, err);

    if (r < 0)
        exec_complain(exec, err);
    else
        (void) printf("report: %s\n", exec->options->report);
    return r;
}

static void done(struct exec *exec)
{
    show_free(exec->show);
    history_done(&exec->history);
    pipeline_free(exec->pipeline);
    ci_config_free(exec->ci);
    config_free(exec->config);
    snapshot_done(&exec->snapshot);
    artifact_store_free(exec->artifacts);
    secret_wipe(exec->runner_token, sizeof(exec->runner_token));
    exec_remove_work_dir(exec);
    buf_done(&exec->text);
    free(exec->file);
    free(exec->work_dir);
    free(exec->state_dir);
    free(exec->bare);
    free(exec->project_path);
    free(exec->title);
    free(exec->cache_dir);
    free(exec->sources_url);
    vm_image_done(&exec->vm_image);
}

int exec_run(const struct exec_options *options)
{
    struct exec exec = { .options = options };
    struct error err = { 0 };
    int status = 1, r;

    (void) signal(SIGPIPE, SIG_IGN);
    r = exec_read_file(&exec, &err);
    if (r == 0)
        r = exec_check_options(&exec, &err);
    if (r == 0 && options->report)
        r = page_check_file(options->report, &err);
    if (r < 0) {
        exec_complain(&exec, &err);
        done(&exec);
        return status;
    }
    run_loop(&exec);
    exec.history.ended_ms = now_ms();
    if (!exec.failed) {
        print_artifacts(&exec);
        print_table(&exec);
    }
    if (!exec.failed && options->report && write_report(&exec, &err) < 0)
        exec.failed = true;
    if (exec.interrupted)
        status = INTERRUPTED_STATUS;
    else if (!exec.failed && pipeline_passed(exec.pipeline))
        status = 0;
    done(&exec);
    return status;
}
