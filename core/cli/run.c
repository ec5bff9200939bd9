/* core/cli/run.c - `flotilla run`: the manager in the foreground.
 *
 * SIGTERM and SIGINT stop it at once and leave jobs to be adopted by the next start; with --stop-jobs they
 * interrupt the jobs, as GitLab Runner does, and wait for their ends at most shutdown_timeout. SIGQUIT
 * takes no new jobs, waits for those that run, and then stops. SIGHUP reads the configuration again,
 * SIGUSR1 writes what the manager is at to a log of level debug. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "core/base/address.h"
#include "core/base/harden.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/cli/service.h"
#include "core/config/config.h"
#include "core/supervisor/supervisor.h"

#define LOG_TOPIC "run"
#include "core/base/log.h"

struct run_options {
    const char *config, *state_dir, *plugin_dirs, *log_level, *log_format, *listen_address;
    bool stop_jobs;
};

struct run {
    uv_loop_t loop;
    struct supervisor *supervisor;
    struct service service;
    uv_signal_t signals[5];
    uv_timer_t patience; /* with jobs that were interrupted */
    const struct run_options *options;
    bool stop_jobs;
    int64_t shutdown_timeout_ms;
    size_t n_runners, refused; /* refused: that take no jobs until a person acts */
    bool stopping, worked, failed;
    bool attended; /* its configuration was changed: somebody is at it */
};

static void usage(void)
{
    (void) printf(
        "Usage: flotilla run [--config FILE] [--state-dir DIR] [--plugin-dir DIR[:DIR]]\n"
        "                    [--stop-jobs] [--log-level LEVEL] [--log-format text|json|runner]\n"
        "                    [--listen-address HOST:PORT]\n"
        "Takes jobs from GitLab and runs them on autoscaled instances.\n"
        "\n"
        "  --config FILE       %s unless named\n"
        "  --state-dir DIR     else state_dir of the configuration, else /var/lib/flotilla for\n"
        "                      root and ~/.local/state/flotilla for others\n"
        "  --plugin-dir DIR    where plugins are looked for first; then in FLOTILLA_PLUGIN_PATH,\n"
        "                      the installed folder and PATH\n"
        "  --stop-jobs         SIGTERM and SIGINT interrupt the jobs, as stop_jobs = true does\n"
        "  --log-level LEVEL   error, warning, notice, info or debug; else log_level of the\n"
        "                      configuration, else info\n"
        "  --log-format FORMAT text, json or runner (GitLab Runner's lines); else log_format of "
        "the\n"
        "                      configuration, else text\n"
        "  --listen-address HOST:PORT  where metrics, health and the status page are served; else\n"
        "                      listen_address of the configuration, else nowhere\n"
        "\n"
        "SIGTERM and SIGINT stop it at once: jobs go on and are adopted at the next start. With\n"
        "--stop-jobs they are interrupted, for at most shutdown_timeout; another signal ends "
        "that.\n"
        "SIGQUIT takes no new jobs, waits for those that run, and stops. SIGHUP reads the\n"
        "configuration again, as happens by itself when the file changes. SIGUSR1 writes what it\n"
        "is at to a log of level debug. It ends with status 1 by itself when no runner can take\n"
        "jobs, and with 2 for a wrong command line.\n",
        cli_default_config());
}

static int check_options(const struct run_options *options)
{
    struct sockaddr_storage address;
    enum log_format format;
    enum log_level level;

    if (options->log_level && log_parse_level(options->log_level, &level) < 0)
        return cli_misuse("run", "--log-level '%s' is none of error, warning, notice, info, debug",
                          options->log_level);
    if (options->log_format && log_parse_format(options->log_format, &format) < 0)
        return cli_misuse("run", "--log-format '%s' is none of text, json, runner",
                          options->log_format);
    if (!str_empty(options->listen_address) &&
        address_parse(options->listen_address, CONFIG_WEB_PORT, &address) < 0)
        return cli_misuse("run",
                          "--listen-address '%s' must be HOST:PORT, HOST or :PORT with a number or "
                          "localhost for HOST",
                          options->listen_address);
    return 0;
}

static int parse_options(int argc, char **argv, struct run_options *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "plugin-dir", required_argument, NULL, 'p' },
        { "stop-jobs", no_argument, NULL, 'j' },
        { "log-level", required_argument, NULL, 'l' },
        { "log-format", required_argument, NULL, 'f' },
        { "listen-address", required_argument, NULL, 'a' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 's':
            ret->state_dir = optarg;
            break;
        case 'p':
            ret->plugin_dirs = optarg;
            break;
        case 'j':
            ret->stop_jobs = true;
            break;
        case 'l':
            ret->log_level = optarg;
            break;
        case 'f':
            ret->log_format = optarg;
            break;
        case 'a':
            ret->listen_address = optarg;
            break;
        case 'h':
            usage();
            return 1;
        default:
            return cli_wrong_option("run", c, argv);
        }
    }
    if (optind < argc)
        return cli_misuse("run", "there is no argument '%s'", argv[optind]);
    return check_options(ret);
}

static void open_log(const struct run_options *options, const struct config *config)
{
    enum log_level level = config->log_level;
    enum log_format format = config->log_format;

    if (options->log_level)
        (void) log_parse_level(options->log_level, &level);
    if (options->log_format)
        (void) log_parse_format(options->log_format, &format);
    log_open(2, format, level);
}

/* Where nobody heeds it, SIGHUP waits: it must end no manager that starts or stops. */
static void hold_hangup(int how)
{
    sigset_t hangup;

    (void) sigemptyset(&hangup);
    (void) sigaddset(&hangup, SIGHUP);
    (void) sigprocmask(how, &hangup, NULL);
}

static void close_signals(struct run *run)
{
    hold_hangup(SIG_BLOCK);
    service_close(&run->service);
    uv_close((uv_handle_t *) &run->patience, NULL);
    for (size_t i = 0; i < ARRAY_LEN(run->signals); i++)
        if (!uv_is_closing((uv_handle_t *) &run->signals[i]))
            uv_close((uv_handle_t *) &run->signals[i], NULL);
}

static void on_stopped(void *arg)
{
    close_signals(arg);
}

static void on_drained(void *arg)
{
    struct run *run = arg;

    (void) uv_timer_stop(&run->patience);
    log_notice("no job is open any more, stopping");
    service_stopping(&run->service);
    supervisor_stop(run->supervisor, STOP_DELETES_AS_SET, on_stopped, run);
}

/* Their workers go on ending them, and the next supervisor tells what this one could not. */
static void on_late(uv_timer_t *timer)
{
    struct run *run = timer->data;
    autobuf struct buf state = BUF_INIT;

    supervisor_describe(run->supervisor, &state);
    log_error(
        "shutdown_timeout is over (%s); what GitLab was not told it is told at the next start",
        buf_str(&state));
    run->failed = true;
    supervisor_stop(run->supervisor, STOP_KEEPS_INSTANCES, on_stopped, run);
}

static void interrupt_jobs(struct run *run, int signum)
{
    log_notice("received shutdown signal; jobs are interrupted, and waited for at most %lld s",
               (long long) run->shutdown_timeout_ms / 1000);
    (void) uv_timer_start(&run->patience, on_late, (uint64_t) run->shutdown_timeout_ms, 0);
    supervisor_interrupt_jobs(run->supervisor, signum == SIGTERM ? "terminated" : "interrupt");
    supervisor_drain(run->supervisor, on_drained, run);
}

/* Whoever asks twice does not want to wait. */
static void stop(struct run *run, int signum)
{
    if (run->stopping)
        _exit(1);
    run->stopping = true;
    service_stopping(&run->service);
    if (run->stop_jobs) {
        interrupt_jobs(run, signum);
        return;
    }
    log_notice("received shutdown signal; jobs that run go on and are adopted at the next start");
    supervisor_stop(run->supervisor, STOP_KEEPS_INSTANCES, on_stopped, run);
}

static void drain(struct run *run)
{
    if (run->stopping)
        _exit(1);
    log_notice("taking no new jobs, waiting for those that run");
    supervisor_drain(run->supervisor, on_drained, run);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct run *run = handle->data;

    switch (signum) {
    case SIGHUP:
        service_reload(&run->service);
        break;
    case SIGUSR1:
        supervisor_log_state(run->supervisor);
        break;
    case SIGQUIT:
        drain(run);
        break;
    default:
        stop(run, signum);
        break;
    }
}

/* Runners may be refused while the supervisor still starts. A manager that has jobs or instances to
 * see to goes on, and one that had jobs, too: a refusal may come of a cloud's bad hour. */
static void stop_when_nobody_can_work(struct run *run)
{
    if (!run->supervisor || run->stopping || run->worked || run->attended ||
        run->refused < run->n_runners || supervisor_is_responsible(run->supervisor))
        return;
    log_error("no runner can take jobs, stopping; the lines above say what has to be mended");
    run->stopping = true;
    run->failed = true;
    service_stopping(&run->service);
    supervisor_stop(run->supervisor, STOP_KEEPS_INSTANCES, on_stopped, run);
}

static void on_event(void *arg, const struct supervisor_event *event)
{
    struct run *run = arg;

    run->refused += event->kind == EVENT_RUNNER_REFUSED;
    run->worked |= event->kind == EVENT_JOB_RECEIVED;
    stop_when_nobody_can_work(run);
}

static void take_settings(struct run *run, const struct config *config)
{
    run->stop_jobs = run->options->stop_jobs || config->stop_jobs;
    run->shutdown_timeout_ms = config->shutdown_timeout_ms;
}

static void on_config(void *arg, const struct config *config)
{
    struct run *run = arg;

    run->attended = true;
    take_settings(run, config);
    open_log(run->options, config);
}

static void watch_signals(struct run *run)
{
    static const int signums[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 };

    for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
        (void) uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        (void) uv_signal_start(&run->signals[i], on_signal, signums[i]);
    }
    hold_hangup(SIG_UNBLOCK);
}

int cli_run(int argc, char **argv)
{
    struct run_options options = { .config = cli_default_config() };
    auto_ptr(config_free) struct config *config = NULL;
    struct supervisor_options supervisor_options;
    struct run run = { .options = &options };
    struct error err = { 0 };
    int r;

    hold_hangup(SIG_BLOCK);
    r = parse_options(argc, argv, &options);
    if (r != 0)
        return r > 0 ? 0 : 2;
    if (harden_process() < 0 || cli_load_config(options.config, CONFIG_NOTE, &config) < 0)
        return 1;
    open_log(&options, config);
    if (config->n_runners == 0) {
        (void) fprintf(stderr, "error: %s has no [[runners]], so no job would ever come\n",
                       options.config);
        return 1;
    }
    (void) signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&run.loop) < 0)
        return 1;
    run.n_runners = config->n_runners;
    take_settings(&run, config);
    service_open(&run.service, &run.loop);
    (void) uv_timer_init(&run.loop, &run.patience);
    run.patience.data = &run;
    supervisor_options = (struct supervisor_options) { .config = config,
                                                       .state_dir = options.state_dir,
                                                       .self_exe = cli_self_exe(),
                                                       .plugin_dirs = options.plugin_dirs,
                                                       .listen_address = options.listen_address,
                                                       .follows_config = true,
                                                       .on_config = on_config,
                                                       .on_event = on_event,
                                                       .arg = &run };
    /* Before the start: a signal during recovery is handled once the loop turns. */
    watch_signals(&run);
    r = supervisor_start(&run.loop, &supervisor_options, &run.supervisor, &err);
    if (r < 0) {
        log_error("%s", err.message);
        close_signals(&run);
    } else {
        service_ready(&run.service, run.supervisor);
        stop_when_nobody_can_work(&run);
    }
    (void) uv_run(&run.loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&run.loop);
    log_flush();
    return r < 0 || run.failed ? 1 : 0;
}
