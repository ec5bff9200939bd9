/* tests/unit/failures/units.c - what test_failures.c repeats: one piece of work for each unit that allocates or does I/O
 * (units.h). Files that a unit writes are read back before it says 0. */
#include <errno.h>
#include <fcntl.h>
#include <flotilla/provider.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/channel.h"
#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/config.h"
#include "core/coordinator/client.h"
#include "core/exec/board.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/exec_config.h"
#include "core/exec/payload.h"
#include "core/exec/pipeline.h"
#include "core/exec/report.h"
#include "core/fleet/fleet.h"
#include "core/fleet/scaler.h"
#include "core/job/git_settings.h"
#include "core/job/job.h"
#include "core/job/trace/trace.h"
#include "core/plugin/plugin.h"
#include "core/provider/client.h"
#include "core/provider/session.h"
#include "core/store/ledger.h"
#include "core/store/timeline.h"
#include "tests/harness/fake_clock.h"
#include "tests/unit/failures/units.h"

#define SECRET "glpat-thisIsMasked0123"

void result_add(struct result *result, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(result->text + result->len, sizeof(result->text) - result->len, fmt, args);
    va_end(args);
    if (n > 0)
        result->len = MIN(result->len + (size_t) n, sizeof(result->text) - 1);
}

static int open_dir(const struct place *place)
{
    return open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int read_back(const struct place *place, const char *name, struct result *result)
{
    autoclose int dir_fd = open_dir(place);
    autobuf struct buf text = BUF_INIT;
    int r = fs_read_file(dir_fd, name, 1 << 20, &text, NULL);

    if (r == 0)
        result_add(result, "%s", buf_str(&text));
    return r;
}

static int run_files(const struct place *place, struct result *result)
{
    autoclose int dir_fd = open_dir(place);
    struct error err = { 0 };
    int r = fs_replace_file(dir_fd, "state", "new state", 9, 0600, &err);

    return r < 0 ? r : read_back(place, "state", result);
}

static int run_frames(const struct place *place, struct result *result)
{
    autobuf struct buf wire = BUF_INIT;
    autojson json_t *frame = json_frame("start"), *got = NULL;
    struct frame_decoder decoder;
    struct error err = { 0 };
    int r;

    (void) place;
    if (!frame)
        return -ENOMEM;
    (void) json_add_str(frame, "key", "0123456789");
    frame_decoder_init(&decoder, FRAME_MAX_OPERATOR);
    r = frame_encode(&wire, frame, FRAME_MAX_OPERATOR, &err);
    if (r == 0)
        r = frame_decoder_feed(&decoder, wire.data, wire.len);
    if (r == 0)
        r = frame_decoder_next(&decoder, &got, &err);
    if (r == 1)
        result_add(result, "%s", json_text(got));
    frame_decoder_done(&decoder);
    return MIN(r, 0);
}

struct talk {
    struct result *result;
    bool over;
};

static void on_frame(void *arg, json_t *frame)
{
    struct talk *talk = arg;

    result_add(talk->result, "%s", json_text(frame));
    talk->over = true;
}

static void on_channel_closed(void *arg, const char *why)
{
    ((struct talk *) arg)->over = true;
}

/* One end says a word, the other hears it, or hears that the connection ended. */
static int run_channel(const struct place *place, struct result *result)
{
    struct talk said = { result, false }, heard = { result, false };
    struct channel *ours = NULL, *theirs = NULL;
    autojson json_t *frame = json_frame("word");
    struct error err = { 0 };
    uv_loop_t loop;
    int fds[2], r;

    (void) place;
    if (uv_loop_init(&loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -EIO;
    r = channel_open(&loop, fds[0], FRAME_MAX_OPERATOR, on_frame, on_channel_closed, &said, &ours,
                     &err);
    if (r < 0)
        (void) close(fds[1]);
    else
        r = channel_open(&loop, fds[1], FRAME_MAX_OPERATOR, on_frame, on_channel_closed, &heard,
                         &theirs, &err);
    if (r == 0)
        channel_send(ours, frame, FRAME_MAX_OPERATOR);
    while (r == 0 && !heard.over && !said.over)
        (void) uv_run(&loop, UV_RUN_ONCE);
    if (!said.over)
        channel_close(ours);
    if (!heard.over || result->len > 0)
        channel_close(theirs);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) < 0 ? -EBUSY : r < 0 ? r : result->len > 0 ? 0 : -EPIPE;
}

static void add_config(struct result *result, const struct config *config)
{
    for (size_t i = 0; i < config->n_runners; i++) {
        const struct config_runner *runner = &config->runners[i];

        result_add(result, "%s %s %s %lld %s %s %zu\n", runner->name, runner->url,
                   runner->autoscaler.plugin, (long long) runner->autoscaler.max_instances,
                   runner->shell, runner->builds_dir, runner->n_environment);
    }
}

static int run_config(const struct place *place, struct result *result)
{
    autofree char *file = mem_printf("%s/tests/data/aws-5-jobs.toml", place->source);
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    int r = file ? config_load(file, NULL, &config, &findings, &err) : -ENOMEM;

    config_findings_done(&findings);
    if (r == 0)
        add_config(result, config);
    return r;
}

static int run_exec_config(const struct place *place, struct result *result)
{
    const struct vm_image image = { (char[]) { "/f" }, (char[]) { "n" }, (char[]) { "/k" }, "u" };
    const struct exec_vms vms = { &image, "/s" };
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    int r = exec_config_load(NULL, &vms, &config, &findings, &err);

    (void) place;
    config_findings_done(&findings);
    if (r == 0)
        r = exec_config_lead(config, "http://127.0.0.1:1", "glrt-t1_x", NULL, &err);
    if (r == 0)
        add_config(result, config);
    return r;
}

static void add_row(void *arg, struct ledger_job *row)
{
    result_add(arg, "%lld %s %s\n", (long long) row->job_id, job_state_name(row->state),
               row->token ? secret_reveal(row->token) : "");
}

static int use_ledger(struct ledger *ledger, struct result *result, struct error *err)
{
    struct ledger_job row = { .coordinator_url = "https://gitlab.example.com",
                              .runner = "r",
                              .name = "n",
                              .job_id = 42,
                              .token = secret_from_str("token"),
                              .payload = secret_from_str("{}") };
    int64_t epoch, since_ms;
    int r = row.token && row.payload ? 0 : -ENOMEM;

    if (r == 0)
        r = ledger_open_group(ledger, "key", &row.group_id, &epoch, err);
    if (r == 0)
        r = ledger_add_job(ledger, &row, err);
    if (r == 0)
        r = ledger_add_drain(ledger, row.group_id, "", err);
    if (r == 0)
        r = ledger_acknowledge_job(ledger, row.seq, err);
    if (r == 0)
        r = ledger_each_open_job(ledger, add_row, result, err);
    if (r == 0)
        r = ledger_find_drain(ledger, row.group_id, "", &since_ms, err);
    if (r == 1)
        r = ledger_drop_drain(ledger, row.group_id, "", err);
    if (r == 0)
        r = ledger_close_job(ledger, row.seq, "", err);
    ledger_job_done(&row);
    return r;
}

/* A job is closed at the end, or by the next run: there is one open row of an id at most. */
static int run_ledger(const struct place *place, struct result *result)
{
    autoclose int dir_fd = open_dir(place);
    struct ledger *ledger = NULL;
    struct error err = { 0 };
    int r;

    (void) unlinkat(dir_fd, "ledger.db", 0);
    (void) unlinkat(dir_fd, "ledger.db-wal", 0);
    (void) unlinkat(dir_fd, "ledger.db-shm", 0);
    r = ledger_open(place->dir, &clock_system, &ledger, &err);
    if (r == 0)
        r = use_ledger(ledger, result, &err);
    ledger_close(ledger);
    return r;
}

static int run_timeline(const struct place *place, struct result *result)
{
    autoclose int dir_fd = open_dir(place);
    struct clock_fake clock;
    struct timeline timeline;
    struct error err = { 0 };
    int r;

    clock_fake_init(&clock, 1000);
    r = timeline_open(&timeline, dir_fd, &clock.clock, &err);
    result_add(result, "%lld", (long long) clock_wall_ms(&timeline.clock));
    return r;
}

static int write_trace(struct trace *trace)
{
    int r = trace_section_start(trace, "step_script", "Executing");

    if (r == 0)
        r = trace_write(trace, TRACE_STDOUT, "one " SECRET " two https://u:p@h/\n", 44);
    if (r == 0)
        r = trace_write(trace, TRACE_STDERR, "\xff cut " SECRET, 28);
    if (r == 0)
        r = trace_line(trace, TRACE_ERROR, "Job failed: %s", SECRET);
    if (r == 0)
        r = trace_section_end(trace, "step_script");
    return r == 0 ? trace_finish(trace, false) : r;
}

/* Whatever failed, nothing of the secret may have come through. */
static int run_trace(const struct place *place, struct result *result)
{
    static const char *const patterns[] = { SECRET, "abc" };
    autoclose int dir_fd = open_dir(place);
    autoclose int fd = openat(dir_fd, "spool", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct clock_fake clock;
    struct trace_options options = { .patterns = patterns,
                                     .n_patterns = 2,
                                     .mask_all_default_tokens = true,
                                     .mask_encodings = true,
                                     .timestamps = true,
                                     .sections = true,
                                     .clock = &clock.clock };
    char stored[4096] = "";
    struct trace *trace = NULL;
    struct error err = { 0 };
    int r;

    clock_fake_init(&clock, 1000);
    r = trace_new(fd, &options, &trace, &err);
    if (r == 0)
        r = write_trace(trace);
    trace_free(trace);
    fd = (close(fd), openat(dir_fd, "spool", O_RDONLY | O_CLOEXEC));
    if (fd < 0 || read(fd, stored, sizeof(stored) - 1) < 0)
        return 1;
    if (strstr(stored, "thisIsMasked"))
        return 1;
    result_add(result, "%s", stored);
    return r;
}

static int run_plugin_search(const struct place *place, struct result *result)
{
    autofree char *file = NULL;
    autobuf struct buf notice = BUF_INIT;
    autoclose int fd = -1;
    struct error err = { 0 };
    int r = plugin_find("registry/moody_provider:1.2", place->plugins, &file, &notice, &err);

    if (r == 0)
        r = plugin_open_file(file, &fd, &err);
    if (r == 0)
        r = plugin_check_elf(fd, FLT_PROVIDER_ENTRY, &err);
    if (r == 0)
        result_add(result, "%s", file);
    return r;
}

static void swallow_log(void *arg, enum log_level level, const char *text)
{
}

/* One request to a provider; its reply, or NULL. */
static json_t *ask(struct session *session, const char *text)
{
    autojson json_t *request = NULL;

    return json_parse(text, strlen(text), &request, NULL) < 0 ? NULL
                                                              : session_run(session, request);
}

static int ask_ok(struct session *session, const char *text, struct result *result)
{
    autojson json_t *reply = ask(session, text);
    int64_t code = FLT_E_INTERNAL;

    if (!reply || json_need_i64(reply, "code", INT32_MIN, 0, &code, NULL) < 0)
        return -ENOMEM;
    if (code == 0)
        result_add(result, "%s\n", json_text(reply));
    return (int) code;
}

/* What a process has loaded keeps its descriptor, and here many processes are one. */
static void close_plugin(const char *plugin)
{
    char path[32], file[PATH_MAX];

    for (int fd = 3; fd < 64; fd++) {
        ssize_t len;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        len = readlink(path, file, sizeof(file) - 1);
        if (len > 0 && strncmp(file, plugin, (size_t) len) == 0)
            (void) close(fd);
    }
}

static int run_session(const struct place *place, struct result *result)
{
    autofree char *load = mem_printf(
        "{\"id\":1,\"type\":\"load\",\"deadline_ms\":5000,\"file\":\"%s\",\"group\":\"g\","
        "\"state_dir\":\"%s\"}",
        place->plugin, place->dir);
    struct session *session = NULL;
    struct error err = { 0 };
    int r = load ? session_new(swallow_log, NULL, &session, &err) : -ENOMEM;

    if (r == 0)
        r = ask_ok(session, load, result);
    if (r == 0)
        r = ask_ok(session,
                   "{\"id\":2,\"type\":\"open\",\"deadline_ms\":5000,\"plugin_config\":\"{}\","
                   "\"connector_config\":\"{}\"}",
                   result);
    if (r == 0)
        r = ask_ok(session, "{\"id\":3,\"type\":\"list\",\"deadline_ms\":5000}", result);
    if (r == 0)
        r = ask_ok(session,
                   "{\"id\":4,\"type\":\"connect_info\",\"deadline_ms\":5000,\"instance\":\"i-1\"}",
                   result);
    session_free(session);
    close_plugin(place->plugin);
    return r;
}

static int parse_ci(struct ci_config **ret)
{
    static const char text[] =
        "stages: [a, b]\nvariables: {K: v}\n"
        "one: {stage: a, script: [x, [y]], allow_failure: {exit_codes: [3]}}\n"
        "two: {stage: b, script: z, needs: [one], before_script: [p]}\n"
        "three: {stage: b, script: z, after_script: [q], variables: {A: b}}\n";
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    int r = ci_config_parse("f", text, strlen(text), NULL, NULL, ret, &findings, &err);

    config_findings_done(&findings);
    return r;
}

static int run_payloads(const struct place *place, struct result *result)
{
    static const struct payload_pipeline pipeline = { .id = 7,
                                                      .project_id = 9,
                                                      .timeout_s = 3600,
                                                      .project_name = "p",
                                                      .project_path = "g/p",
                                                      .project_namespace = "g",
                                                      .repo_url = "file:///r.git",
                                                      .object_format = "sha1",
                                                      .sha = "11",
                                                      .before_sha = "00",
                                                      .ref = "main",
                                                      .branch = "main",
                                                      .default_branch = "main",
                                                      .message = "title\n\nbody" };
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct error err = { 0 };
    int r = parse_ci(&config);

    (void) place;
    for (size_t i = 0; r == 0 && i < config->n_jobs; i++) {
        const struct payload_job of = { .job = &config->jobs[i], .id = 42, .token = "glcbt-x" };
        autojson json_t *payload = NULL;

        r = payload_new(&pipeline, config, &of, &payload, &err);
        if (r == 0)
            result_add(result, "%s\n", json_text(payload));
    }
    return r;
}

static int run_pipeline(const struct place *place, struct result *result)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;
    const struct pipeline_job *job;
    struct error err = { 0 };
    int r = parse_ci(&config);

    (void) place;
    if (r == 0)
        r = pipeline_new(config, NULL, 0, &pipeline, &err);
    while (r == 0 && (job = pipeline_take(pipeline))) {
        result_add(result, "%s ", job->job->name);
        pipeline_started(pipeline, job->id, 1);
        pipeline_finished(pipeline, job->id, true, 0, "", 2);
    }
    return r;
}

/* One job that ran, on one instance. */
static void fill_history(struct history *history, const struct pipeline *pipeline)
{
    history_appeared(history, "i-1", 1, 1);
    history_ready(history, "i-1", 2);
    history_assigned(history, pipeline, 1, "i-1", 0, 3);
    history_started(history, 1, 4);
    history_removing(history, "i-1", "it is idle", 5);
    history_decided(history, "order 1", 0);
    history->ended_ms = 10;
}

static int run_board(const struct place *place, struct result *result)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;
    struct history history = { 0 };
    struct board_page page = { 0 };
    struct error err = { 0 };
    int r = parse_ci(&config);

    (void) place;
    if (r == 0)
        r = pipeline_new(config, NULL, 0, &pipeline, &err);
    if (r == 0) {
        const struct board board = {
            .pipeline = pipeline, .history = &history, .title = "t", .now_ms = 7
        };

        fill_history(&history, pipeline);
        board_draw(&board, 60, 10, &page);
        result_add(result, "%s", buf_str(&page.text));
    }
    board_page_done(&page);
    history_done(&history);
    return r;
}

static int run_exec_report(const struct place *place, struct result *result)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;
    autofree char *file = mem_printf("%s/report.html", place->dir);
    autobuf struct buf text = BUF_INIT;
    struct history history = { 0 };
    struct error err = { 0 };
    int r = file ? parse_ci(&config) : -ENOMEM;

    if (r == 0)
        r = pipeline_new(config, NULL, 0, &pipeline, &err);
    if (r == 0) {
        const struct report report = {
            .pipeline = pipeline, .history = &history, .title = "t", .when = "now", .verdict = "v"
        };

        fill_history(&history, pipeline);
        r = report_write(&report, file, &err);
    }
    if (r == 0)
        r = fs_read_file(AT_FDCWD, file, 1 << 20, &text, &err);
    if (r == 0)
        result_add(result, "%s", buf_str(&text) + text.len - strlen("</html>\n"));
    history_done(&history);
    return r;
}

static json_t *start_frame(void)
{
    static const char text[] =
        "{\"type\":\"start\",\"seq\":1,\"key\":\"0123456789abcdef0123456789abcdef\","
        "\"control_socket\":\"/nowhere\",\"payload\":{\"id\":7,\"token\":\"glcbt-64_token\","
        "\"variables\":[{\"key\":\"A\",\"value\":\"b$C\"},{\"key\":\"C\",\"value\":\"c\"}],"
        "\"job_info\":{\"project_id\":9},\"git_info\":{\"repo_url\":\"https://h/g/"
        "p.git\",\"ref\":\"m\","
        "\"sha\":\"1111111111111111111111111111111111111111\",\"refspecs\":[\"+a:b\"],\"depth\":20}"
        ","
        "\"runner_info\":{\"timeout\":600},\"steps\":[]},"
        "\"runner\":{\"name\":\"r\",\"short_token\":\"abcdefghi\",\"shell\":\"sh\"},"
        "\"slot\":{\"instance\":\"i-1\",\"slot\":0,\"concurrent_id\":3,\"concurrent_project_id\":2}"
        ","
        "\"connect\":{\"protocol\":\"ssh\",\"password\":\"ssh-password\"}}";
    json_t *start = NULL;

    (void) json_parse(text, strlen(text), &start, NULL);
    return start;
}

/* What the worker makes of its start frame, up to the script that fetches the sources. */
static int run_settings(const struct place *place, struct result *result)
{
    json_t *start = start_frame();
    autobuf struct buf body = BUF_INIT, script = BUF_INIT;
    struct job job = { 0 };
    struct error err = { 0 };
    int r = start ? job_settings(&job, start, &err) : -ENOMEM;

    (void) place;
    if (r == 0)
        r = directories_set(&job, "/home/u", &err);
    if (r == 0)
        r = git_settings_check(&job, &err);
    if (r == 0) {
        get_sources_script(&job, &body);
        r = buf_error(&body);
    }
    if (r == 0)
        r = stage_script(&job, buf_str(&body), STAGE_VARIABLES, &script);
    if (r == 0)
        result_add(result, "%s", buf_str(&script));
    job_done(&job);
    return r;
}

/* The worker's line: a start frame comes in, `started` goes out. */
static int run_report(const struct place *place, struct result *result)
{
    autojson json_t *start = start_frame(), *got = NULL, *answer = NULL;
    struct frame_decoder decoder;
    struct report *report = NULL;
    struct error err = { 0 };
    int fds[2], r;

    (void) place;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -EIO;
    frame_decoder_init(&decoder, FRAME_MAX_OPERATOR);
    r = start ? report_new(fds[0], -1, &report, &err) : -ENOMEM;
    if (r < 0)
        (void) close(fds[0]);
    if (r == 0)
        r = frame_send(fds[1], start, FRAME_MAX_OPERATOR, 1000, &err);
    if (r == 0)
        r = report_wait_start(report, &got, &err);
    if (r == 1)
        r = report_started(report, 1, "0123456789abcdef0123456789abcdef", "/nowhere", false);
    report_free(report);
    if (r == 0)
        r = frame_recv(fds[1], &decoder, 1000, &answer, &err) == 1 ? 0 : -EPIPE;
    if (r == 0)
        result_add(result, "%s", json_text(answer));
    frame_decoder_done(&decoder);
    (void) close(fds[1]);
    return r;
}

static void on_change(void *arg, const struct fleet_change *change)
{
    result_add(arg, "%d ", (int) change->kind);
}

static int use_fleet(struct fleet *fleet, struct result *result)
{
    const struct fleet_listed listed[] = { { .id = "i-1", .state = INSTANCE_RUNNING },
                                           { .id = "i-2", .state = INSTANCE_RUNNING } };
    const struct fleet_instance *instance;
    struct scaler_plan plan = { 0 };
    struct error err = { 0 };
    uint32_t slot;
    int64_t seq;
    int r = fleet_on_list(fleet, 1000, listed, 2, true, on_change, result, &err);

    if (r == 0)
        r = fleet_wait(fleet, 7, false);
    if (r < 0)
        return r;
    fleet_mark_ready(fleet, "i-1", 1000);
    if (fleet_assign_next(fleet, 1000, &seq, &instance, &slot) == 1)
        result_add(result, "%s:%u ", instance->id, slot);
    fleet_mark_ready(fleet, "i-2", 1000);
    r = scaler_plan(fleet, 5000, 1, &plan);
    result_add(result, "order %u, remove %zu", plan.request, plan.n_removals);
    scaler_plan_done(&plan);
    return r;
}

static int run_fleet(const struct place *place, struct result *result)
{
    /* What is charged for at least makes the scaler sort those that may go. */
    const struct fleet_config config = {
        .capacity = 2, .max_instances = 5, .vm_isolation = true, .minimum_life_ms = 3000
    };
    struct fleet *fleet = NULL;
    int r = fleet_new(&config, &fleet);

    (void) place;
    if (r == 0)
        r = use_fleet(fleet, result);
    fleet_free(fleet);
    return r;
}

static void on_updated(void *arg, const struct update_outcome *outcome)
{
    result_add(arg, "told: %d", outcome->result);
}

/* Nobody listens: the call is refused by us, or answered by its end. */
static int run_transfer(const struct place *place, struct result *result)
{
    struct coordinator_host host = { .url = "http://127.0.0.1:1" };
    struct coordinator_job_update update = { .job_id = 1, .token = "t", .state = "running" };
    struct coordinator_client *client = NULL;
    struct coordinator_call *call = NULL;
    struct error err = { 0 };
    uv_loop_t loop;
    int r;

    (void) place;
    if (uv_loop_init(&loop) < 0)
        return -EIO;
    r = coordinator_client_new(&loop, &client, &err);
    if (r == 0)
        r = coordinator_update_job(client, &host, &update, on_updated, result, &call, &err);
    while (r == 0 && result->len == 0)
        (void) uv_run(&loop, UV_RUN_ONCE);
    coordinator_client_free(client);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) < 0 ? 1 : r;
}

const struct unit units[] = {
    { "files", run_files, false },
    { "frames", run_frames, false },
    { "a channel", run_channel, false },
    { "the configuration", run_config, false },
    { "exec's configuration", run_exec_config, false },
    { "the ledger", run_ledger, false },
    { "the timeline", run_timeline, false },
    { "the trace", run_trace, false },
    { "the search for plugins", run_plugin_search, false },
    { "a provider's session", run_session, true },
    { "payloads of .gitlab-ci.yml", run_payloads, false },
    { "a pipeline", run_pipeline, false },
    { "the board", run_board, true },
    { "exec's report", run_exec_report, false },
    { "a job's settings", run_settings, false },
    { "the worker's report", run_report, false },
    { "the fleet", run_fleet, false },
    { "a transfer", run_transfer, false },
};
const size_t n_units = ARRAY_LEN(units);
