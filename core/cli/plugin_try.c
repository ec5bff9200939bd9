/* core/cli/plugin_try.c - `flotilla plugin try RUNNER`: one instance of a configured group, from the
 * order to the removal, with a line a step.
 *
 * A straight line of steps over a loop (plugin_try_turn.c). Foreign code runs in the provider worker,
 * what the instance says is read in a probe of its own (plugin_try_probe.c). Whatever was ordered is
 * removed again, also after a failure or an interrupt; a second interrupt gives that up. */
#include <fcntl.h>
#include <flotilla/provider.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/cli/plugin_try_parts.h"
#include "core/plugin/plugin.h"
#include "core/supervisor/connector.h"
#include "core/supervisor/vm_plugin.h"

#define CHANGE_MS 120000
#define LATE_MS 1000
#define UNANSWERED_MS INT64_C(30000)

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

/* Steps up to the order. */

static int find_plugin(struct trial *trial, struct buf *told, struct error *err)
{
    const struct config_vm_isolation *isolation = &trial->runner->autoscaler.vm_isolation;
    const char *parent = getenv("TMPDIR");
    autobuf struct buf notice = BUF_INIT;
    int r = plugin_find(trial->runner->autoscaler.plugin, trial->options->plugin_dirs, &trial->file,
                        &notice, err);

    if (r == 0 && isolation->enabled)
        r = vm_plugin_find(isolation, trial->options->plugin_dirs, &trial->vm_file, err);
    if (r == 0)
        r = connector_read_key(&trial->runner->autoscaler.connector, &trial->key, err);
    if (r < 0)
        return r;
    trial->state_dir = mem_printf("%s/flotilla-try-XXXXXX", str_empty(parent) ? "/tmp" : parent);
    if (!trial->state_dir || !mkdtemp(trial->state_dir)) {
        r = error_errno(err, -errno, "a directory for the provider");
        free(take_ptr(trial->state_dir));
        return r;
    }
    buf_addf(told, "%s", trial->file);
    return 0;
}

static void on_open(void *arg, int code, const char *message, int64_t retry_after_ms, json_t *reply)
{
    struct trial *trial = arg;

    if (trial->opened)
        return; /* the worker was started again */
    trial->opened = true;
    try_keep_answer(trial, code, message, retry_after_ms, reply);
}

static bool is_opened(const struct trial *trial)
{
    return trial->opened;
}

static int open_group(struct trial *trial, struct buf *told, struct error *err)
{
    const struct config_autoscaler *settings = &trial->runner->autoscaler;
    autobuf struct buf connector = BUF_SECRET;
    struct provider_options options = { .file = trial->file,
                                        .group = trial->runner->name,
                                        .state_dir = trial->state_dir,
                                        .config_file = trial->options->config->file,
                                        .plugin_config = json_text(settings->plugin_config),
                                        .self_exe = cli_self_exe() };
    int64_t max_size = 0;
    int r;

    if (connector_text(settings, trial->key, &connector) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    options.connector_config = buf_str(&connector);
    r = provider_client_new(&trial->loop, &options, &trial->provider, err);
    if (r < 0)
        return r;
    provider_client_on_open(trial->provider, on_open, trial);
    r = try_wait(trial, is_opened, TRY_CALL_MS);
    if (r < 0)
        return error_set(err, r, "%s",
                         r == -EINTR ? "interrupted" : "the provider does not open its group");
    if (trial->code != FLT_OK)
        return error_set(err, -EREMOTEIO, "%s", trial->message);
    (void) json_opt_i64(trial->reply, "max_size", 0, INT64_MAX, &max_size, NULL);
    buf_addf(told, "%s", try_text(trial->reply, "identity"));
    if (max_size > 0)
        buf_addf(told, ", at most %" PRId64 " instances", max_size);
    return 0;
}

static int list(struct trial *trial, json_t **ret, struct error *err)
{
    int r = try_call_well(trial, json_frame("list"), TRY_CALL_MS, err);

    if (r == 0)
        r = json_opt_array(trial->reply, "instances", ret, err);
    return r;
}

/* Its instances lie in a state directory, which is one of our own here. */
static bool keeps_them_here(const struct trial *trial)
{
    autofree char *pattern = mem_printf("%s/*/*/", trial->state_dir);
    glob_t found = { 0 };
    bool kept = pattern && glob(pattern, GLOB_NOSORT, NULL, &found) == 0;

    globfree(&found);
    return kept;
}

static int list_group(struct trial *trial, struct buf *told, struct error *err)
{
    json_t *instances = NULL;
    int r = list(trial, &instances, err);
    size_t n;

    if (r < 0)
        return r;
    n = instances ? json_object_array_length(instances) : 0;
    for (size_t i = 0; i < n; i++)
        (void) json_add_bool(trial->before, try_text(json_object_array_get_idx(instances, i), "id"),
                             true);
    if (n == 0 && keeps_them_here(trial))
        buf_add_str(told, "its instances are those that the manager makes on this machine; they "
                          "are not looked at here");
    else
        buf_addf(told, "%zu instance%s there already", n, n == 1 ? "" : "s");
    return 0;
}

/* Above that of an earlier try, which the cloud may remember. A manager that holds the group is never shut out, it shuts
 * out this: its epochs are milliseconds since 1970. */
static int64_t epoch(void)
{
    return clock_wall_ms(&clock_system) / 100;
}

static json_t *change(const char *type)
{
    json_t *request = json_frame(type);
    char id[UUID_SIZE];

    rng_uuid(&rng_system, id);
    (void) json_add_str(request, "request_id", id);
    (void) json_add_i64(request, "epoch", epoch());
    return request;
}

/* Its answer is waited for in any case: whether there is something to remove hangs on it. */
static int order_one(struct trial *trial, struct buf *told, struct error *err)
{
    json_t *request = change("increase");
    unsigned forgiven = trial->forgiven;
    int64_t accepted = 0;
    int r;

    (void) json_add_i64(request, "n", 1);
    trial->ordered = true;
    trial->ordered_ms = clock_wall_ms(&clock_system);
    trial->forgiven = UINT_MAX;
    r = try_call(trial, request, CHANGE_MS, err);
    trial->forgiven = forgiven;
    if (r < 0)
        return r;
    (void) json_opt_i64(trial->reply, "accepted", 0, 1, &accepted, NULL);
    /* A plain refusal left nothing behind. */
    trial->accepted = accepted > 0;
    trial->ordered = trial->accepted || trial->code == FLT_E_UNAVAILABLE ||
                     trial->code == FLT_E_TIMEOUT || trial->code == FLT_E_INTERNAL;
    if (trial->code == FLT_E_STALE)
        return error_set(err, -EREMOTEIO, "a manager holds this group, stop it first: %s",
                         trial->message);
    if (trial->code != FLT_OK || accepted < 1)
        return error_set(err, -EREMOTEIO, "%s",
                         trial->code != FLT_OK ? trial->message : "the order was not accepted");
    buf_add_str(told, "one instance is on order");
    return 0;
}

/* The new one's state, or -1; -EEXIST when there are several and nobody can tell which is ours. */
static int find_ours(struct trial *trial, json_t *instances, int64_t *ret_state, struct error *err)
{
    size_t found = 0;

    *ret_state = -1;
    for (size_t i = 0; instances && i < json_object_array_length(instances); i++) {
        json_t *item = json_object_array_get_idx(instances, i);
        const char *id = try_text(item, "id");

        if (*trial->id ? !str_eq(id, trial->id)
                       : json_object_object_get_ex(trial->before, id, NULL))
            continue;
        found++;
        (void) json_opt_i64(item, "state", 0, FLT_STATE_RESUMING, ret_state, NULL);
        if (!*trial->id && found == 1)
            (void) str_copy(trial->id, sizeof(trial->id), id);
    }
    if (found <= 1)
        return 0;
    trial->id[0] = '\0';
    return error_set(err, -EEXIST,
                     "%zu instances appeared where one was ordered, so somebody else grows this "
                     "group; nothing is removed, look after the one too many",
                     found);
}

/* Lists, and finds ours. */
static int look(struct trial *trial, int64_t *ret_state, struct error *err)
{
    json_t *instances = NULL;
    int r = list(trial, &instances, err);

    return r < 0 ? r : find_ours(trial, instances, ret_state, err);
}

static int pause_or_end(struct trial *trial, struct error *err)
{
    int64_t ms = trial->runner->autoscaler.update_interval_when_expecting_ms;

    return try_pause(trial, ms) < 0 ? error_set(err, -EINTR, "interrupted") : 0;
}

static int wait_running(struct trial *trial, struct buf *told, struct error *err)
{
    int64_t until = now_ms() + trial->options->patience_ms, state = -1;
    int r;

    while ((r = look(trial, &state, err)) == 0 && state != FLT_STATE_RUNNING) {
        if (state == FLT_STATE_TIMEOUT || state == FLT_STATE_DELETED || state == FLT_STATE_DELETING)
            return error_set(err, -EREMOTEIO, "instance %s failed before it ran", trial->id);
        if (now_ms() >= until)
            return error_set(
                err, -ETIMEDOUT,
                "instance %s does not run within the time; --timeout gives it more%s%s",
                *trial->id ? trial->id : "(none appeared)",
                *trial->growth ? "; the cloud says: " : "", trial->growth);
        r = try_hear(trial, err);
        if (r == 0)
            r = pause_or_end(trial, err);
        if (r < 0)
            break;
    }
    if (r == 0)
        buf_addf(told, "%s runs", trial->id);
    return r;
}

static int ask_address(struct trial *trial, struct buf *told, struct error *err)
{
    const struct config_autoscaler *settings = &trial->runner->autoscaler;
    int64_t until = now_ms() + connector_patience_ms(&settings->connector);
    int r;

    for (;;) {
        json_t *request = json_frame("connect_info");

        (void) json_add_str(request, "instance", trial->id);
        r = try_call(trial, request, TRY_CALL_MS, err);
        if (r < 0)
            return r;
        if (trial->code != FLT_E_NOT_READY || now_ms() >= until || trial->options->on_step)
            break;
        if (try_pause(trial, MAX(trial->retry_after_ms, INT64_C(100))) < 0)
            return error_set(err, -EINTR, "interrupted");
    }
    if (trial->code != FLT_OK)
        return error_set(err, -EREMOTEIO, "%s", trial->message);
    trial->connect = connector_connect(settings, trial->key, trial->reply);
    if (!trial->connect)
        return error_set(err, -ENOMEM, "out of memory");
    buf_addf(told, "%s@%s", try_text(trial->connect, "username"),
             try_text(trial->connect, "address"));
    return 0;
}

/* The way back. */

static int wait_gone(struct trial *trial, struct error *err)
{
    int64_t until = now_ms() + trial->options->patience_ms, state = 0;
    int r;

    while ((r = look(trial, &state, err)) == 0 && state >= 0 && state != FLT_STATE_DELETED &&
           state != FLT_STATE_DELETING) {
        if (now_ms() >= until)
            return error_set(err, -ETIMEDOUT, "the provider still lists it");
        r = pause_or_end(trial, err);
        if (r < 0)
            break;
    }
    return r;
}

/* An order may bear its fruit after the step that waited for it was cut short, and one without an
 * answer may have reached the cloud. */
static int find_late(struct trial *trial, struct error *err)
{
    int64_t patience_ms = trial->options->patience_ms, state = -1;
    int64_t until = now_ms() + (trial->accepted ? patience_ms : MIN(patience_ms, UNANSWERED_MS));
    int r = 0;

    while (r == 0 && !*trial->id) {
        r = look(trial, &state, err);
        if (r == 0 && !*trial->id && (now_ms() >= until || try_pause(trial, LATE_MS) < 0))
            r = error_set(err, -ETIMEDOUT, "%s; look whether one does",
                          trial->accepted ? "the instance that was ordered did not appear"
                                          : "the order had no answer and no instance appeared");
    }
    return r;
}

static int remove_ours(struct trial *trial, struct buf *told, struct error *err)
{
    json_t *request, *ids = json_object_new_array();
    int r = find_late(trial, err);

    if (r < 0 || !ids) {
        json_object_put(ids);
        return r < 0 ? r : error_set(err, -ENOMEM, "out of memory");
    }
    (void) json_object_array_add(ids, json_object_new_string(trial->id));
    request = change("decrease");
    (void) json_add(request, "ids", ids);
    r = try_call_well(trial, request, CHANGE_MS, err);
    if (r == 0)
        r = wait_gone(trial, err);
    if (r < 0)
        return error_wrap(err, r, "instance %s may be left behind", trial->id);
    trial->ordered = false;
    buf_addf(told, "%s is gone", trial->id);
    return 0;
}

/* The whole. */

static int step(struct trial *trial, const char *name,
                int (*run)(struct trial *trial, struct buf *told, struct error *err))
{
    autobuf struct buf told = BUF_INIT, shown = BUF_INIT;
    int64_t began = now_ms();
    struct error err = { 0 };
    int r =
        try_interrupted(trial) ? error_set(&err, -EINTR, "interrupted") : run(trial, &told, &err);
    const char *text = r == 0 ? buf_str(&told) : err.message;

    if (trial->options->on_step) {
        trial->options->on_step(trial->options->arg, name, r == 0, text);
        return r;
    }
    /* The plugin's and the instance's own words: nothing of them may drive the terminal. */
    str_display(&shown, text, strlen(text), 1000);
    (void) printf("%-4s  %-8s  %6.2f s  %s\n", r == 0 ? "ok" : "FAIL", name,
                  (double) (now_ms() - began) / 1000, buf_str(&shown));
    (void) fflush(stdout);
    return r;
}

static bool go_through(struct trial *trial)
{
    static const struct {
        const char *name;
        int (*run)(struct trial *trial, struct buf *told, struct error *err);
    } steps[] = {
        { "plugin", find_plugin },  { "open", open_group },     { "list", list_group },
        { "increase", order_one },  { "boot", wait_running },   { "address", ask_address },
        { "connect", try_connect }, { "command", try_command },
    };

    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (step(trial, steps[i].name, steps[i].run) < 0)
            return false;
    return !trial->vm_file || step(trial, "vms", try_vms) == 0;
}

static void on_client_closed(void *arg)
{
    ((struct trial *) arg)->closed = true;
}

/* What may be left behind needs its directory. */
static void finish(struct trial *trial)
{
    try_end_probe(trial);
    if (trial->provider) {
        provider_client_close(trial->provider, TRY_GRACE_MS, on_client_closed, trial);
        while (!trial->closed)
            (void) uv_run(&trial->loop, UV_RUN_ONCE);
    }
    try_unwatch(trial);
    (void) uv_run(&trial->loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&trial->loop);
    if (trial->state_dir && !trial->ordered)
        (void) fs_remove_tree(AT_FDCWD, trial->state_dir);
    else if (trial->state_dir)
        (void) printf("note  what the provider keeps of it lies in %s\n", trial->state_dir);
    free(trial->file);
    free(trial->vm_file);
    free(trial->state_dir);
    secret_free(trial->key);
    json_object_put(trial->reply);
    json_object_put(trial->connect);
    json_object_put(trial->before);
    json_object_put(trial->heard);
}

static int begin(struct trial *trial, const struct try_options *options,
                 const struct config_runner *runner)
{
    *trial = (struct trial) { .options = options,
                              .runner = runner,
                              .before = json_object_new_object(),
                              .heard = json_object_new_array() };
    if (!trial->before || !trial->heard || uv_loop_init(&trial->loop) < 0)
        return -ENOMEM;
    (void) signal(SIGPIPE, SIG_IGN);
    try_watch(trial);
    return 0;
}

int plugin_try(const struct try_options *options, const struct config_runner *runner)
{
    struct trial trial;
    bool well;

    if (begin(&trial, options, runner) < 0)
        return 1;
    well = go_through(&trial);
    trial.forgiven = trial.interrupts;
    try_end_probe(&trial);
    if (trial.ordered)
        well &= step(&trial, "remove", remove_ours) == 0;
    finish(&trial);
    (void) printf("runner '%s' %s\n", runner->name, well ? "works" : "does not work");
    return well ? 0 : 1;
}

/* One that runs and says how it is reached; one that boots is left alone. */
static bool find_running(struct trial *trial)
{
    json_t *instances = NULL;

    (void) json_opt_array(trial->reply, "instances", &instances, NULL);
    for (size_t i = 0; instances && i < json_object_array_length(instances); i++) {
        json_t *item = json_object_array_get_idx(instances, i);
        int64_t state = -1;

        (void) json_opt_i64(item, "state", 0, FLT_STATE_RESUMING, &state, NULL);
        if (state == FLT_STATE_RUNNING)
            return str_copy(trial->id, sizeof(trial->id), try_text(item, "id")) == 0;
    }
    return false;
}

void plugin_look(const struct try_options *options, const struct config_runner *runner)
{
    struct trial trial;

    if (begin(&trial, options, runner) < 0)
        return;
    if (step(&trial, "plugin", find_plugin) == 0 && step(&trial, "open", open_group) == 0 &&
        step(&trial, "list", list_group) == 0 && find_running(&trial) &&
        step(&trial, "address", ask_address) == 0 &&
        str_eq(try_text(trial.connect, "protocol"), "ssh"))
        (void) step(&trial, "ssh", try_greet);
    finish(&trial);
}
