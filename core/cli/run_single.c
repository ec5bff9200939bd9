/* core/cli/run_single.c - `flotilla run-single`: one runner of the configuration, one job after the other, until there
 * were enough or none came for too long. As GitLab Runner's command.
 *
 * The configuration is the file's with that runner alone; it is not followed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/token.h"
#include "core/cli/rows.h"
#include "core/config/edit.h"
#include "core/config/toml_change.h"
#include "core/supervisor/supervisor.h"

#define LOG_TOPIC "run-single"
#include "core/base/log.h"

#define FILE_MAX ((size_t) 4 * 1024 * 1024)
#define EXECUTOR "instance"

struct single_options {
    struct runners_options runners;
    const char *runner, *url, *executor, *state_dir, *plugin_dirs;
    struct secret *token;
    int64_t max_builds, wait_timeout_s; /* 0 = any */
};

struct single {
    uv_loop_t loop;
    struct supervisor *supervisor;
    uv_signal_t signals[3];
    uv_timer_t wait; /* for the next job */
    uv_timer_t soon; /* what an event asks for: the supervisor is still at it */
    int64_t max_builds, wait_ms, builds, open;
    bool stopping, failed;
};

static void usage(void)
{
    (void) printf(
        "Usage: flotilla run-single [--runner NAME] [--max-builds N] [--wait-timeout SECONDS]\n"
        "Runs the jobs of one runner of the configuration, one after the other. Beside a manager\n"
        "that runs it needs a --state-dir of its own. Instances stay for the next start unless\n"
        "delete_instances_on_shutdown is set.\n\n"
        "  -r, --runner NAME       which; needed where the file has several\n"
        "  -u, --url URL           of GitLab, in place of the entry's\n"
        "  -t, --token TOKEN       of the runner, in place of the entry's\n"
        "      --token-file FILE   the same from a file, where no list of processes shows it\n"
        "      --executor instance the only one there is\n"
        "      --max-builds N      ends after so many jobs\n"
        "      --wait-timeout SECONDS  ends when none came for so long\n"
        "      --state-dir DIR     as for run\n"
        "      --plugin-dir DIR    as for run\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse(int argc, char **argv, struct single_options *ret)
{
    static const struct row items[] = {
        { "runner", NULL, 'r', ROW_TEXT, offsetof(struct single_options, runner) },
        { "url", NULL, 'u', ROW_TEXT, offsetof(struct single_options, url) },
        { "token", NULL, 't', ROW_SECRET, offsetof(struct single_options, token) },
        { "token-file", NULL, 0, ROW_SECRET_FILE, offsetof(struct single_options, token) },
        { "executor", NULL, 0, ROW_TEXT, offsetof(struct single_options, executor) },
        { "max-builds", NULL, 0, ROW_NUMBER, offsetof(struct single_options, max_builds) },
        { "wait-timeout", NULL, 0, ROW_NUMBER, offsetof(struct single_options, wait_timeout_s) },
        { "state-dir", NULL, 0, ROW_TEXT, offsetof(struct single_options, state_dir) },
        { "plugin-dir", NULL, 0, ROW_TEXT, offsetof(struct single_options, plugin_dirs) },
    };
    static const struct rows rows = { "run-single", usage, items, ARRAY_LEN(items) };
    int r = rows_parse(&rows, argc, argv, ret);

    if (r == 0 && ret->executor && !str_eq(ret->executor, EXECUTOR))
        return cli_misuse("run-single",
                          "--executor '%s' is not " EXECUTOR ", the only one there is",
                          ret->executor);
    return r;
}

static void options_done(struct single_options *options)
{
    secret_free(options->token);
}

static int find_runner(const struct single_options *options, const struct buf *text, size_t *ret,
                       size_t *ret_n, struct error *err)
{
    autoentries struct entries entries = { 0 };
    int r = entries_read(text, options->runners.config, &entries, err);

    if (r < 0)
        return r;
    *ret_n = entries.n;
    if (!options->runner && entries.n == 1) {
        *ret = 0;
        return 0;
    }
    if (!options->runner)
        return error_set(err, -EINVAL, "%s has %zu [[runners]]; say which by --runner NAME",
                         options->runners.config, entries.n);
    for (size_t i = 0; i < entries.n; i++)
        if (str_eq(entries.items[i].name, options->runner)) {
            *ret = i;
            return 0;
        }
    return error_set(err, -ENOENT, "no runner is called '%s'; `flotilla list` shows the names",
                     options->runner);
}

/* From the last on, so that the numbers of those before hold. */
static int remove_others(const char *config, size_t kept, size_t n, struct buf *text,
                         struct error *err)
{
    int r = 0;

    for (size_t i = n; i-- > 0 && r == 0;) {
        autobuf struct buf former = *text;

        if (i == kept) {
            former = BUF_INIT;
            continue;
        }
        *text = BUF_SECRET;
        r = edit_remove_runner(&former, config, i, text, err);
    }
    return r;
}

static int replace(const char *config, const char *key, const char *value, struct buf *text,
                   struct error *err)
{
    autobuf struct buf former = BUF_SECRET, quoted = BUF_SECRET;

    if (!value)
        return 0;
    former = *text;
    *text = BUF_SECRET;
    toml_quote(&quoted, value);
    return edit_set(&former, config, 0, key, buf_str(&quoted), text, err);
}

static int drop_token_file(const char *config, struct buf *text, struct error *err)
{
    autobuf struct buf former = *text;

    *text = BUF_SECRET;
    return edit_unset(&former, config, 0, "token_file", text, err);
}

static int make_text(const struct single_options *options, struct buf *text, struct error *err)
{
    const char *config = options->runners.config;
    size_t at = 0, n = 0;
    int r = fs_read_file(AT_FDCWD, config, FILE_MAX, text, err);

    if (r == 0)
        r = find_runner(options, text, &at, &n, err);
    if (r == 0)
        r = remove_others(config, at, n, text, err);
    if (r == 0)
        r = replace(config, "url", options->url, text, err);
    if (r == 0 && options->token)
        r = drop_token_file(config, text, err);
    if (r == 0)
        r = replace(config, "token", options->token ? secret_reveal(options->token) : NULL, text,
                    err);
    return r;
}

static int load(const struct single_options *options, struct config **ret)
{
    autobuf struct buf text = BUF_SECRET;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    bool readable;
    int r = make_text(options, &text, &err);

    if (r == 0)
        r = fs_check_private_file(options->runners.config, &readable, &err);
    if (r == 0)
        r = config_load(options->runners.config, buf_str(&text), ret, &findings, &err);
    config_findings_print(&findings, CONFIG_WARNING, stderr);
    if (r < 0 && findings.count == 0)
        log_error("%s", err.message);
    config_findings_done(&findings);
    return r;
}

static void on_stopped(void *arg)
{
    struct single *single = arg;

    uv_close((uv_handle_t *) &single->wait, NULL);
    uv_close((uv_handle_t *) &single->soon, NULL);
    for (size_t i = 0; i < ARRAY_LEN(single->signals); i++)
        uv_close((uv_handle_t *) &single->signals[i], NULL);
}

static void on_drained(void *arg)
{
    struct single *single = arg;

    supervisor_stop(single->supervisor, STOP_DELETES_AS_SET, on_stopped, single);
}

static void finish(struct single *single)
{
    if (single->stopping)
        return;
    single->stopping = true;
    (void) uv_timer_stop(&single->wait);
    supervisor_drain(single->supervisor, on_drained, single);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct single *single = handle->data;

    if (signum == SIGQUIT) {
        log_warning("Requested quit, waiting for builds to finish");
        finish(single);
        return;
    }
    if (single->failed)
        _exit(1);
    log_warning("Requested exit: %s", signum == SIGTERM ? "terminated" : "interrupt");
    single->failed = true;
    supervisor_interrupt_jobs(single->supervisor, signum == SIGTERM ? "terminated" : "interrupt");
    finish(single);
}

static void on_soon(uv_timer_t *timer)
{
    finish(timer->data);
}

static void on_nothing_came(uv_timer_t *timer)
{
    struct single *single = timer->data;

    log_info("This runner has not received a job in %lld seconds, so now exiting",
             (long long) single->wait_ms / 1000);
    finish(single);
}

static void wait_for_job(struct single *single)
{
    if (single->wait_ms > 0 && !single->stopping)
        (void) uv_timer_start(&single->wait, on_nothing_came, (uint64_t) single->wait_ms, 0);
}

static void take_job(struct single *single)
{
    single->builds++;
    single->open++;
    (void) uv_timer_stop(&single->wait);
    if (single->builds != single->max_builds)
        return;
    log_info("This runner has processed its build limit, so now exiting");
    (void) uv_timer_start(&single->soon, on_soon, 0, 0);
}

static void on_event(void *arg, const struct supervisor_event *event)
{
    struct single *single = arg;

    if (event->kind == EVENT_JOB_RECEIVED) {
        take_job(single);
    } else if (event->kind == EVENT_JOB_CLOSED) {
        if (--single->open <= 0)
            wait_for_job(single);
    } else if (event->kind == EVENT_RUNNER_REFUSED && single->builds == 0) {
        single->failed = true;
        (void) uv_timer_start(&single->soon, on_soon, 0, 0);
    }
}

static void watch(struct single *single)
{
    static const int signums[] = { SIGTERM, SIGINT, SIGQUIT };

    (void) uv_timer_init(&single->loop, &single->wait);
    (void) uv_timer_init(&single->loop, &single->soon);
    single->wait.data = single->soon.data = single;
    for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
        (void) uv_signal_init(&single->loop, &single->signals[i]);
        single->signals[i].data = single;
        (void) uv_signal_start(&single->signals[i], on_signal, signums[i]);
    }
}

static int run(const struct single_options *options, struct config *config)
{
    struct single single = { .max_builds = options->max_builds,
                             .wait_ms = options->wait_timeout_s * 1000 };
    const struct supervisor_options supervisor_options = { .config = config,
                                                           .state_dir = options->state_dir,
                                                           .self_exe = cli_self_exe(),
                                                           .plugin_dirs = options->plugin_dirs,
                                                           .listen_address = "",
                                                           .on_event = on_event,
                                                           .arg = &single };
    struct error err = { 0 };

    (void) signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&single.loop) < 0)
        return -ENOMEM;
    watch(&single);
    if (supervisor_start(&single.loop, &supervisor_options, &single.supervisor, &err) < 0) {
        log_error("%s", err.message);
        single.failed = true;
        on_stopped(&single);
    } else {
        wait_for_job(&single);
    }
    (void) uv_run(&single.loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&single.loop);
    log_flush();
    return single.failed ? -1 : 0;
}

int cli_run_single(int argc, char **argv)
{
    __attribute__((cleanup(options_done))) struct single_options options = { 0 };
    auto_ptr(config_free) struct config *config = NULL;
    char token[TOKEN_SHORT_SIZE];
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("run-single", &options.runners) < 0)
        return 2;
    if (load(&options, &config) != 0)
        return 1;
    config->concurrent = 1; /* nobody else has it yet */
    token_shorten(secret_reveal(config->runners[0].token), token);
    log_info("Starting runner for %s with token %.8s ...", config->runners[0].url, token);
    return run(&options, config) < 0 ? 1 : 0;
}
