/* core/supervisor/strangers.c - jobs that go on though the ledger that knew them is lost: found by
 * their spools, asked who they are, taken back (hardening.md R13; docs/design/processes.md "A lost
 * ledger").
 *
 * A spool that lies there when a ledger is begun gets a file NUMBER.stranger beside it, so that no
 * restart takes it for one of a closed job. Its lock says whether its worker lives. A worker that
 * attaches is asked for what its row held; only processes of ours reach the control socket and hold
 * such a lock. Until every stranger has come back or ended, no job is asked for and no instance
 * removed: the ones they run on look idle. */
#include "core/supervisor/strangers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/supervisor/kept_logs.h"
#include "core/supervisor/spool.h"

#define LOG_TOPIC "strangers"
#include "core/base/log.h"

/* A worker comes back within 2 s, and is taken back once its group has listed. Where that takes longer
 * than this, the others wait no more; it may still come. */
#define AWAITED_MS (10 * 60 * 1000)

struct stranger {
    struct supervisor *supervisor;
    struct stranger *next;
    int64_t seq, awaited_until_mono;
    char key[33];
    struct channel *channel; /* NULL = it has not attached */
    json_t *identity;        /* NULL = not told yet */
};

static void marker_name(char name[40], int64_t seq)
{
    (void) snprintf(name, 40, "%" PRId64 ".stranger", seq);
}

static int mark(struct supervisor *supervisor, int64_t seq, struct error *err)
{
    char name[40];
    int fd;

    marker_name(name, seq);
    fd = openat(supervisor->spool_dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, -errno, "spool %s", name);
    (void) close(fd);
    return 0;
}

int strangers_mark(struct supervisor *supervisor, struct error *err)
{
    return spool_each(supervisor, ".log", mark, err);
}

static int load(struct supervisor *supervisor, int64_t seq, struct error *err)
{
    struct stranger *stranger = mem_zero(sizeof(*stranger));

    if (!stranger)
        return error_set(err, -ENOMEM, "spool of a lost row: out of memory");
    stranger->supervisor = supervisor;
    stranger->seq = seq;
    stranger->awaited_until_mono = now_mono(supervisor) + fault_limit_ms("lost_ledger", AWAITED_MS);
    stranger->next = supervisor->strangers;
    supervisor->strangers = stranger;
    return 0;
}

/* What was given up has a number, too, that nobody may get again. */
static int skip(struct supervisor *supervisor, int64_t seq, struct error *err)
{
    return ledger_skip_seq(supervisor->ledger, seq, err);
}

int strangers_load(struct supervisor *supervisor, struct error *err)
{
    int r = spool_each(supervisor, ".stranger", load, err);

    if (r == 0)
        r = spool_each(supervisor, ".lost", skip, err);
    if (r == 0)
        r = spool_each(supervisor, KEPT_SUFFIX, skip, err);
    for (const struct stranger *at = supervisor->strangers; r == 0 && at; at = at->next)
        r = skip(supervisor, at->seq, err);
    return r;
}

static struct stranger *find(const struct supervisor *supervisor, int64_t seq)
{
    struct stranger *at = supervisor->strangers;

    while (at && at->seq != seq)
        at = at->next;
    return at;
}

bool strangers_knows(const struct supervisor *supervisor, int64_t seq)
{
    return find(supervisor, seq) != NULL;
}

bool strangers_awaited(const struct supervisor *supervisor)
{
    int64_t now = now_mono(supervisor);

    for (const struct stranger *at = supervisor->strangers; at; at = at->next)
        if (now < at->awaited_until_mono)
            return true;
    return false;
}

/* Who calls with another key tells anew who it is. */
static void forget_caller(struct stranger *stranger)
{
    channel_close(stranger->channel);
    stranger->channel = NULL;
    json_object_put(stranger->identity);
    stranger->identity = NULL;
}

static void drop(struct stranger *stranger)
{
    for (struct stranger **at = &stranger->supervisor->strangers; *at; at = &(*at)->next)
        if (*at == stranger) {
            *at = stranger->next;
            break;
        }
    forget_caller(stranger);
    free(stranger);
}

void strangers_done(struct supervisor *supervisor)
{
    while (supervisor->strangers)
        drop(supervisor->strangers);
}

static void unmark(struct stranger *stranger)
{
    char name[40];

    marker_name(name, stranger->seq);
    if (unlinkat(stranger->supervisor->spool_dir_fd, name, 0) < 0 && errno != ENOENT)
        log_warning("spool %s: cannot be removed: %s, ignoring", name, strerror(errno));
    drop(stranger);
}

static void on_closed(void *arg, const char *why)
{
    struct stranger *stranger = arg;

    log_debug("row %" PRId64 ": connection to its worker ended: %s", stranger->seq, why);
    stranger->channel = NULL;
}

static void on_identity(void *arg, json_t *frame)
{
    struct stranger *stranger = arg;

    log_debug("row %" PRId64 ": its worker says who it is", stranger->seq);
    json_object_put(stranger->identity);
    stranger->identity = json_object_get(frame);
    supervisor_evaluate_soon(stranger->supervisor);
}

bool strangers_attach(struct supervisor *supervisor, int64_t seq, const char *key,
                      struct channel *channel)
{
    struct stranger *stranger = find(supervisor, seq);
    autojson json_t *question = json_frame("identify");
    int lock_fd = -1;

    if (!stranger || !question || strlen(key) != sizeof(stranger->key) - 1)
        return false;
    if (spool_try_lock(supervisor, seq, &lock_fd) == 1) {
        (void) close(lock_fd);
        return false; /* whoever this is, it is not the worker that writes the spool */
    }
    forget_caller(stranger);
    stranger->channel = channel;
    (void) str_copy(stranger->key, sizeof(stranger->key), key);
    channel_set_owner(channel, FRAME_MAX_OPERATOR, on_identity, on_closed, stranger);
    channel_send(channel, question, FRAME_MAX_OPERATOR);
    return true;
}

/* The row as the worker tells it; what it says of itself is checked as any frame is. */
static int read_identity(const struct stranger *stranger, struct ledger_job *row,
                         const char **ret_token, struct error *err)
{
    json_t *identity = stranger->identity, *payload = NULL, *runner = NULL, *slot = NULL;
    const char *instance = "", *vm = "";
    int r;

    *row =
        (struct ledger_job) { .seq = stranger->seq, .received_ms = now_wall(stranger->supervisor) };
    (void) str_copy(row->worker_key, sizeof(row->worker_key), stranger->key);
    r = json_opt_object(identity, "payload", &payload, err);
    if (r == 0)
        r = json_opt_object(identity, "runner", &runner, err);
    if (r == 0)
        r = json_opt_object(identity, "slot", &slot, err);
    if (r == 0 && (!payload || !runner || !slot))
        r = error_set(err, -EPROTO, "identity: is not complete");
    if (r == 0)
        r = job_read_payload(payload, row, ret_token, err);
    if (r == 0)
        r = json_need_str(runner, "name", &row->runner, err);
    if (r == 0)
        r = json_need_str(runner, "url", &row->coordinator_url, err);
    if (r == 0)
        r = json_need_str(slot, "instance", &instance, err);
    if (r == 0)
        r = json_need_i64(slot, "slot", 0, UINT16_MAX, &row->slot, err);
    if (r == 0)
        r = json_need_i64(slot, "concurrent_id", 0, INT32_MAX, &row->concurrent_id, err);
    if (r == 0)
        r = json_need_i64(slot, "concurrent_project_id", 0, INT32_MAX, &row->concurrent_project_id,
                          err);
    (void) json_opt_bool(identity, "debug_trace", &row->debug_trace, NULL);
    if (r == 0)
        r = json_opt_str(identity, "vm", &vm, err);
    if (r == 0 && *vm && (!plugin_id_valid(vm) || str_copy(row->vm, sizeof(row->vm), vm) < 0))
        r = error_set(err, -EPROTO, "identity: vm: is none");
    if (r == 0 && str_copy(row->instance_id, sizeof(row->instance_id), instance) < 0)
        r = error_set(err, -EPROTO, "identity: instance: is too long");
    return r;
}

static struct group *group_of(struct supervisor *supervisor, const struct ledger_job *row)
{
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        struct group *group = supervisor->groups[i];

        if (str_eq(group->runner->name, row->runner) &&
            str_eq(group->runner->url, row->coordinator_url))
            return group;
    }
    return NULL;
}

static int take_back(struct stranger *stranger, struct group *group, struct ledger_job *row,
                     struct error *err)
{
    struct supervisor *supervisor = stranger->supervisor;
    struct job *job;
    int r;

    row->group_id = group->id;
    EFFECT("job_row", r = ledger_restore_job(supervisor->ledger, row, err));
    if (r < 0 && r != -EPERM)
        supervisor_fatal(supervisor, "taking back a job that runs", err);
    if (r < 0)
        return r;
    job = job_adopt_row(group, row);
    if (!job)
        return error_set(err, -ENOMEM, "out of memory");
    fleet_count_use(group->fleet, job->instance_id);
    adopt_running(job);
    worker_attach(job, take_ptr(stranger->channel), NULL);
    unmark(stranger);
    supervisor_evaluate_soon(supervisor);
    return 0;
}

/* Refused, as a worker whose row is closed: it stops its job and ends. */
static void refuse(struct stranger *stranger, const char *why)
{
    log_error("the worker of row %" PRId64
              " cannot be taken back (%s): its job ends without a word "
              "to GitLab",
              stranger->seq, why);
    forget_caller(stranger);
}

/* The use of an instance is counted in its row, and the slot held in the fleet: both are there once
 * the group has listed. */
static void try_take_back(struct stranger *stranger)
{
    const char *token = NULL;
    struct ledger_job row;
    struct error err = { 0 };
    struct group *group;
    int r = read_identity(stranger, &row, &token, &err);

    group = r == 0 ? group_of(stranger->supervisor, &row) : NULL;
    if (r == 0 && !group)
        r = error_set(&err, -ENOENT, "runner '%.100s' is not in the configuration", row.runner);
    if (group && !group->listed_once)
        return;
    row.token = group ? secret_from_str(token) : NULL;
    if (group)
        r = row.token ? take_back(stranger, group, &row, &err)
                      : error_set(&err, -ENOMEM, "out of memory");
    ledger_job_done(&row);
    if (r < 0)
        refuse(stranger, err.message);
}

/* Nobody else knew the job's token. What it printed stays for whoever looks for it. */
static void give_up(struct stranger *stranger)
{
    struct supervisor *supervisor = stranger->supervisor;
    char log[40], lost[40];

    (void) snprintf(log, sizeof(log), "%" PRId64 ".log", stranger->seq);
    (void) snprintf(lost, sizeof(lost), "%" PRId64 ".lost", stranger->seq);
    if (renameat(supervisor->spool_dir_fd, log, supervisor->spool_dir_fd, lost) < 0) {
        log_error("spool %s: cannot be renamed: %s, trying again", log, strerror(errno));
        return;
    }
    log_error("the job of row %" PRId64 " ended while its ledger was lost, and so was its token: "
              "GitLab cannot be told and fails it when it hears nothing for an hour. Its log is "
              "%s/spool/%s; delete it when nobody wants it",
              stranger->seq, supervisor->state_dir, lost);
    unmark(stranger);
}

void strangers_tick(struct supervisor *supervisor)
{
    struct stranger *next;

    for (struct stranger *at = supervisor->strangers; at; at = next) {
        int lock_fd = -1;

        next = at->next;
        if (job_find(supervisor, at->seq)) {
            unmark(at); /* a crash came between its row and this */
        } else if (at->channel && at->identity) {
            try_take_back(at);
        } else if (!at->channel && spool_try_lock(supervisor, at->seq, &lock_fd) == 1) {
            (void) close(lock_fd);
            give_up(at);
        }
    }
}
