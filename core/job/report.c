/* core/job/report.c - frames to and from the supervisor, and the reconnect (report.h). */
#include "core/job/report.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/target.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define SEND_MS 5000
#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 2000
#define WAIT_MS 250
#define MAX_REFUSALS 10
#define RESULT_PATIENCE_MS (24LL * 3600 * 1000)

struct report {
    int fd, spool_fd;
    struct frame_decoder decoder;
    int64_t seq;
    char key[33], *control_socket;
    json_t *identity, *vm; /* vm: told last; NULL = none */
    struct report_orders orders;
    int64_t next_try_ms, pause_ms;
    int refusals;
    const char *directory;    /* NULL = not known yet */
    const char *inputs_error; /* NULL = none */
    unsigned inputs_used;
    unsigned connection; /* counts them */
    bool attaching, stored, debug_trace;
    bool dismissed;  /* nobody waits for this job any more */
    json_t *answers; /* by their types, the latest of each */
    int passed;      /* the descriptor that came along last; -1 = none */
    int terminal;    /* a person's; -1 = none */
    int (*stopped)(void *arg);
    void *stopped_arg;
    struct report_supply supply;
};

/* What a worker may be told that is nothing but the answer to its question. */
static const char *const answer_types[] = { "host_key_verdict", "login",        "signed",
                                            "transfer_open",    "transfer_end", "held" };

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static void new_decoder(struct report *report, size_t max)
{
    frame_decoder_init(&report->decoder, max);
    report->decoder.passed = &report->passed;
}

int report_new(int control_fd, int spool_fd, struct report **ret, struct error *err)
{
    struct report *report = mem_zero(sizeof(*report));

    if (!report || !(report->answers = json_object_new_object())) {
        free(report);
        return error_set(err, -ENOMEM, "worker: out of memory");
    }
    report->fd = control_fd;
    report->spool_fd = spool_fd;
    report->pause_ms = RETRY_MIN_MS;
    report->connection = 1;
    report->passed = report->terminal = -1;
    new_decoder(report, FRAME_MAX_START);
    *ret = report;
    return 0;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    if (report->fd >= 0)
        (void) close(report->fd);
    if (report->passed >= 0)
        (void) close(report->passed);
    if (report->terminal >= 0)
        (void) close(report->terminal);
    frame_decoder_done(&report->decoder);
    json_object_put(report->answers);
    json_object_put(report->identity);
    json_object_put(report->vm);
    free(report->control_socket);
    free(report);
}

/* The next frame, which must be of that type. */
static int wait_frame(struct report *report, const char *want, json_t **ret, struct error *err)
{
    autojson json_t *frame = NULL;
    const char *type = "";
    int r = frame_recv(report->fd, &report->decoder, -1, &frame, err);

    if (r <= 0)
        return r;
    (void) json_opt_str(frame, "type", &type, NULL);
    if (!str_eq(type, want))
        return error_set(err, -EPROTO, "worker: the frame is '%s', not '%s'", type, want);
    *ret = take_ptr(frame);
    return 1;
}

int report_wait_job(struct report *report, int *ret_spool_fd, struct error *err)
{
    autojson json_t *frame = NULL;
    int r;

    report->decoder.max = FRAME_MAX_START; /* of the next one */
    r = wait_frame(report, "job", &frame, err);
    if (r <= 0)
        return r;
    report->spool_fd = report_take_descriptor(report);
    if (report->spool_fd < 0)
        return error_set(err, -EPROTO, "worker: a job came without its spool");
    *ret_spool_fd = report->spool_fd;
    return 1;
}

int report_wait_start(struct report *report, json_t **ret, struct error *err)
{
    int r = wait_frame(report, "start", ret, err);

    if (r <= 0)
        return r;
    report->decoder.max = FRAME_MAX_OPERATOR;
    return 1;
}

static void dismiss(struct report *report)
{
    report->dismissed = report->orders.abort = true;
}

/* The supervisor unlinks a spool, or keeps it as one that nobody may write, once it has closed the job's row, and never
 * before. */
static bool nobody_waits(const struct report *report)
{
    struct stat st;

    return report->spool_fd < 0 ||
           (fstat(report->spool_fd, &st) == 0 && (st.st_nlink == 0 || (st.st_mode & S_IWUSR) == 0));
}

static void disconnect(struct report *report)
{
    if (report->fd < 0)
        return;
    (void) close(report->fd);
    report->fd = -1;
    frame_decoder_done(&report->decoder);
    new_decoder(report, FRAME_MAX_OPERATOR);
    report->next_try_ms = now_ms() + report->pause_ms;
    report->pause_ms = MIN(report->pause_ms * 2, (int64_t) RETRY_MAX_MS);
    /* Whoever closes on us before `attached` again and again does not know us. */
    if (report->attaching && ++report->refusals >= MAX_REFUSALS)
        dismiss(report);
    report->attaching = false;
}

static void send_frame(struct report *report, json_t *frame)
{
    if (report->fd < 0 || report->attaching || !frame)
        return;
    if (frame_send(report->fd, frame, FRAME_MAX_OPERATOR, SEND_MS, NULL) < 0)
        disconnect(report);
}

static void send_started(struct report *report)
{
    autojson json_t *frame = json_frame("started");

    if (report->debug_trace)
        (void) json_add_bool(frame, "debug_trace", true);
    (void) json_add_str(frame, "directory", report->directory);
    if (report->inputs_used > 0)
        (void) json_add_i64(frame, "inputs_used", report->inputs_used);
    (void) json_add_str(frame, "inputs_error", report->inputs_error);
    send_frame(report, frame);
}

void report_inputs(struct report *report, unsigned used, const char *error)
{
    report->inputs_used = used;
    report->inputs_error = error;
}

void report_identity(struct report *report, json_t *identity)
{
    report->identity = identity;
}

int report_started(struct report *report, int64_t seq, const char *key, const char *control_socket,
                   bool debug_trace)
{
    report->debug_trace = debug_trace;
    report->seq = seq;
    (void) str_copy(report->key, sizeof(report->key), key);
    report->control_socket = mem_strdup(control_socket);
    if (!report->control_socket)
        return -ENOMEM;
    send_started(report);
    return 0;
}

void report_vm(struct report *report, json_t *frame)
{
    const char *id = "";

    (void) json_opt_str(frame, "id", &id, NULL);
    if (report->identity)
        (void) json_add_str(report->identity, "vm", id);
    json_object_put(report->vm);
    report->vm = frame;
    send_frame(report, frame);
}

/* Without blocking: a supervisor that is stuck has a full backlog, and the job goes on meanwhile. */
static void try_attach(struct report *report)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    autojson json_t *frame = json_frame("attach");
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    report->next_try_ms = now_ms() + report->pause_ms;
    report->pause_ms = MIN(report->pause_ms * 2, (int64_t) RETRY_MAX_MS);
    if (fd < 0 || !frame || !report->control_socket ||
        str_copy(address.sun_path, sizeof(address.sun_path), report->control_socket) < 0 ||
        connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        return;
    (void) json_add_i64(frame, "seq", report->seq);
    (void) json_add_str(frame, "key", report->key);
    (void) json_add_i64(frame, "protocol", fault_limit_ms("worker_protocol", WORKER_PROTOCOL));
    if (frame_send(fd, frame, FRAME_MAX_OPERATOR, SEND_MS, NULL) < 0)
        return;
    report->fd = take_fd(&fd);
    report->connection++;
    report->attaching = true;
}

/* The supervisor asks for what the job's row held: its ledger is lost. */
static void send_identity(struct report *report)
{
    if (!report->identity ||
        frame_send(report->fd, report->identity, FRAME_MAX_OPERATOR, SEND_MS, NULL) < 0)
        disconnect(report);
}

/* A cause that a later supervisor knows is none of ours. */
static void take_going(struct report_orders *orders, json_t *frame)
{
    enum report_going going = REPORT_STAYS;
    const char *cause = "";

    (void) json_opt_str(frame, "cause", &cause, NULL);
    if (str_eq(cause, "interrupted"))
        going = REPORT_INTERRUPTED;
    else if (str_eq(cause, "deleting"))
        going = REPORT_DELETING;
    if (going <= orders->going)
        return;
    orders->going = going;
    orders->going_left_ms = -1;
    (void) json_opt_i64(frame, "left_ms", 0, INT64_MAX, &orders->going_left_ms, NULL);
}

/* The supervisor lets one person in at a time: one that nobody has taken yet is left. */
static void take_terminal(struct report *report)
{
    if (report->terminal >= 0)
        (void) close(report->terminal);
    report->terminal = report_take_descriptor(report);
}

static void take_abort(struct report_orders *orders, json_t *frame)
{
    const char *signal = "";

    (void) json_opt_str(frame, "signal", &signal, NULL);
    if (!orders->abort)
        (void) snprintf(orders->signal, sizeof(orders->signal), "%.31s", signal);
    orders->abort = true;
}

static bool is_answer(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_types); i++)
        if (str_eq(type, answer_types[i]))
            return true;
    return false;
}

static void take_frame(struct report *report, json_t *frame)
{
    const char *type = "", *message = "";

    (void) json_opt_str(frame, "type", &type, NULL);
    (void) json_opt_str(frame, "message", &message, NULL);
    if (report->attaching) {
        if (str_eq(type, "identify")) {
            send_identity(report);
            return;
        }
        if (str_eq(type, "refused")) {
            log_error("the supervisor refuses this worker: %s", message);
            dismiss(report);
        }
        if (!str_eq(type, "attached")) {
            disconnect(report);
            return;
        }
        report->attaching = false;
        report->refusals = 0;
        report->pause_ms = RETRY_MIN_MS;
        send_started(report);
        send_frame(report, report->vm);
    } else if (str_eq(type, "cancel")) {
        report->orders.cancel = true;
    } else if (str_eq(type, "abort")) {
        take_abort(&report->orders, frame);
    } else if (str_eq(type, "hold")) {
        report->orders.hold = true;
    } else if (str_eq(type, "instance_lost")) {
        report->orders.instance_lost = true;
        (void) snprintf(report->orders.message, sizeof(report->orders.message), "%.255s", message);
    } else if (str_eq(type, "instance_going")) {
        take_going(&report->orders, frame);
    } else if (str_eq(type, "terminal")) {
        take_terminal(report);
    } else if (str_eq(type, "result_stored")) {
        report->stored = true;
    } else if (is_answer(type)) {
        (void) json_add(report->answers, type, json_object_get(frame));
    } else {
        disconnect(report);
    }
}

const struct report_orders *report_poll(struct report *report)
{
    for (;;) {
        autojson json_t *frame = NULL;
        int r;

        if (report->fd < 0 && nobody_waits(report))
            dismiss(report);
        if (report->fd < 0 && !report->dismissed && now_ms() >= report->next_try_ms)
            try_attach(report);
        if (report->fd < 0)
            break;
        r = frame_recv(report->fd, &report->decoder, 0, &frame, NULL);
        if (r == -ETIMEDOUT)
            break;
        if (r <= 0)
            disconnect(report);
        else
            take_frame(report, frame);
    }
    return &report->orders;
}

int report_stopped(const struct report_orders *orders)
{
    if (orders->abort)
        return -EINTR;
    if (orders->instance_lost)
        return -ENETRESET;
    return orders->cancel ? -ECANCELED : 0;
}

void report_stop_rule(struct report *report, int (*stopped)(void *arg), void *arg)
{
    report->stopped = stopped;
    report->stopped_arg = arg;
}

static int stopped_now(struct report *report)
{
    return report->stopped ? report->stopped(report->stopped_arg)
                           : report_stopped(report_poll(report));
}

int report_take_descriptor(struct report *report)
{
    return take_fd(&report->passed);
}

int report_take_terminal(struct report *report)
{
    return take_fd(&report->terminal);
}

struct report_supply *report_supply(struct report *report)
{
    return &report->supply;
}

bool report_is_dismissed(const struct report *report)
{
    return report->dismissed;
}

unsigned report_connection(const struct report *report)
{
    return report->fd < 0 || report->attaching ? 0 : report->connection;
}

int report_fd(const struct report *report)
{
    return report->fd;
}

void report_stage(struct report *report, const char *name)
{
    autojson json_t *frame = json_frame("stage");

    (void) json_add_str(frame, "name", name);
    (void) json_add_str(frame, "directory", report->directory);
    send_frame(report, frame);
}

void report_directory(struct report *report, const char *path)
{
    report->directory = path;
}

void report_tell(struct report *report, json_t *frame)
{
    send_frame(report, frame);
}

/* Sleeps until something may have happened, at most until then and for 250 ms. */
static void wait_a_moment(const struct report *report, int64_t until_mono_ms)
{
    struct pollfd ready = { .fd = report->fd, .events = POLLIN };
    int64_t left = MIN(until_mono_ms - now_ms(), (int64_t) WAIT_MS);

    (void) poll(&ready, 1, (int) MAX(left, (int64_t) 0));
}

/* Whoever is there now hears it once. */
static void tell_once(struct report *report, json_t *frame, unsigned *told_on)
{
    if (report->fd < 0 || report->attaching || *told_on == report->connection)
        return;
    *told_on = report->connection;
    send_frame(report, frame);
}

/* Takes it; one to a former question is dropped. */
static json_t *take_answer(struct report *report, const struct report_question *question)
{
    json_t *answer = NULL;
    int64_t id = 0;

    if (!json_object_object_get_ex(report->answers, question->answer, &answer))
        return NULL;
    answer = json_object_get(answer);
    json_object_object_del(report->answers, question->answer);
    (void) json_opt_i64(answer, "id", 0, INT64_MAX, &id, NULL);
    if (id == question->id)
        return answer;
    json_object_put(answer);
    return NULL;
}

int report_ask(struct report *report, const struct report_question *question,
               int64_t deadline_mono_ms, json_t **ret, struct error *err)
{
    unsigned told_on = 0;

    if (question->id == 0) /* what lies there answers one before */
        json_object_object_del(report->answers, question->answer);
    for (;;) {
        int stopped = stopped_now(report);
        json_t *answer = take_answer(report, question);

        if (answer) {
            *ret = answer;
            return 0;
        }
        if (stopped < 0)
            return error_set(err, stopped, "stopped while asking for %s", question->what);
        if (question->connection != 0 && report_connection(report) != question->connection)
            return error_set(err, -ENETUNREACH, "the manager was restarted");
        if (now_ms() >= deadline_mono_ms)
            return error_set(err, -ETIMEDOUT, "no supervisor answered about %s", question->what);
        if (question->frame)
            tell_once(report, question->frame, &told_on);
        wait_a_moment(report, deadline_mono_ms);
    }
}

/* The right key needs no question. One that the provider does not vouch for is told, too: the
 * supervisor replaces the instance. */
int report_host_key(struct report *report, json_t *connect, const struct shown_key *shown,
                    int64_t deadline_mono_ms, struct error *err)
{
    autojson json_t *frame = json_frame("host_key"), *verdict = NULL;
    const struct report_question question = { .frame = frame,
                                              .answer = "host_key_verdict",
                                              .what = "the host key" };
    const char *policy = "", *message = "";
    bool ok = false;
    int r;

    (void) json_opt_str(connect, "host_key_policy", &policy, NULL);
    if (str_eq(policy, "accept") ||
        (str_eq(policy, "pin") && target_vouched_for(connect, shown->type, shown->key)))
        return 0;
    (void) json_add_str(frame, "key_type", shown->type);
    (void) json_add_str(frame, "key", shown->key);
    (void) json_add_bool(frame, "pinned", str_eq(policy, "pin"));
    r = report_ask(report, &question, deadline_mono_ms, &verdict, err);
    if (r < 0)
        return r;
    (void) json_opt_bool(verdict, "ok", &ok, NULL);
    (void) json_opt_str(verdict, "message", &message, NULL);
    return ok ? 0 : error_set(err, -EKEYREJECTED, "%s", message);
}

int report_login(struct report *report, int64_t deadline_mono_ms, json_t **ret_connect,
                 int64_t *ret_wait_ms, struct error *err)
{
    autojson json_t *frame = json_frame("login_expired"), *answer = NULL;
    const struct report_question question = { .frame = frame,
                                              .answer = "login",
                                              .what = "a login" };
    json_t *connect = NULL;
    const char *message = "";
    int64_t wait_ms = -1;
    int r = report_ask(report, &question, deadline_mono_ms, &answer, err);

    if (r < 0)
        return r;
    (void) json_opt_object(answer, "connect", &connect, NULL);
    (void) json_opt_str(answer, "message", &message, NULL);
    (void) json_opt_i64(answer, "retry_after_ms", 0, INT64_MAX, &wait_ms, NULL);
    if (!connect && wait_ms < 0)
        return error_set(err, -ENOENT, "the instance cannot be logged in to: %s", message);
    *ret_connect = json_object_get(connect);
    *ret_wait_ms = MAX(wait_ms, (int64_t) 0);
    return 0;
}

void report_result(struct report *report, json_t *result)
{
    int64_t deadline = now_ms() + RESULT_PATIENCE_MS;
    unsigned told_on = 0;

    while (!report->stored && !report->dismissed && now_ms() < deadline) {
        tell_once(report, result, &told_on);
        (void) report_poll(report);
        if (!report->stored)
            wait_a_moment(report, deadline);
    }
}
