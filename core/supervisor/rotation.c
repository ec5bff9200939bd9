/* core/supervisor/rotation.c - renews the tokens of runners before they expire: at three quarters of their life, one
 * after the other (coordinator-protocol.md 1.5). Called at each turn of the supervisor.
 *
 * From GitLab's answer on, the former token is of no use. So the new one goes into the state directory first, then into
 * the configuration, and it is used at once; a manager that dies in between, or cannot write the configuration, goes on
 * with it. GitLab is asked only while the configuration can be written. Jobs have tokens of their own. */
#include "core/supervisor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/edit_token.h"
#include "core/coordinator/runners.h"

#define LOG_TOPIC "rotation"
#include "core/base/log.h"

#define FILE_NAME "new_token.json"
#define FILE_MAX ((size_t) 16384)
#define ASK_AGAIN_MS (10 * 60 * 1000)
#define WRITE_AGAIN_MS (60 * 1000)
#define TELL_AGAIN_MS (60 * 60 * 1000)

static int64_t due_wall_ms(const struct config_runner *runner)
{
    return runner->token_obtained_ms +
           (runner->token_expires_ms - runner->token_obtained_ms) / 4 * 3;
}

static void forget(struct rotation *rotation)
{
    free(rotation->url);
    secret_free(rotation->former);
    secret_free(rotation->token);
    *rotation = (struct rotation) { 0 };
}

static bool is_of(const struct rotation *rotation, const struct config_runner *runner)
{
    return rotation->token && str_eq(rotation->url, runner->url) &&
           str_eq(secret_reveal(rotation->former), secret_reveal(runner->token));
}

const char *rotation_token(const struct supervisor *supervisor, const struct config_runner *runner)
{
    const struct rotation *rotation = &supervisor->rotation;

    return secret_reveal(is_of(rotation, runner) ? rotation->token : runner->token);
}

static int keep(const struct supervisor *supervisor, struct error *err)
{
    const struct rotation *rotation = &supervisor->rotation;
    autobuf struct buf text = BUF_SECRET;
    autojson json_t *kept = json_object_new_object();

    (void) json_add_str(kept, "url", rotation->url);
    (void) json_add_str(kept, "former", secret_reveal(rotation->former));
    (void) json_add_str(kept, "token", secret_reveal(rotation->token));
    (void) json_add_i64(kept, "obtained_ms", rotation->obtained_ms);
    if (json_add_i64(kept, "expires_ms", rotation->expires_ms) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    buf_add_str(&text, json_text(kept));
    return fs_replace_file(supervisor->state_fd, FILE_NAME, buf_str(&text), text.len, 0600, err);
}

static int read_kept(struct supervisor *supervisor, struct error *err)
{
    struct rotation *rotation = &supervisor->rotation;
    const char *url = NULL, *former = NULL, *token = NULL;
    autobuf struct buf text = BUF_SECRET;
    autojson json_t *kept = NULL;
    int r = fs_read_file(supervisor->state_fd, FILE_NAME, FILE_MAX, &text, err);

    if (r == 0)
        r = json_parse(buf_str(&text), text.len, &kept, err);
    if (r == 0)
        r = json_need_str(kept, "url", &url, err);
    if (r == 0)
        r = json_need_str(kept, "former", &former, err);
    if (r == 0)
        r = json_need_str(kept, "token", &token, err);
    if (r == 0)
        r = json_need_i64(kept, "obtained_ms", 0, INT64_MAX, &rotation->obtained_ms, err);
    if (r == 0)
        r = json_need_i64(kept, "expires_ms", 0, INT64_MAX, &rotation->expires_ms, err);
    if (r < 0)
        return r;
    rotation->url = mem_strdup(url);
    rotation->former = secret_from_str(former);
    rotation->token = secret_from_str(token);
    return rotation->url && rotation->former && rotation->token
               ? 0
               : error_set(err, -ENOMEM, "out of memory");
}

void rotation_load(struct supervisor *supervisor)
{
    struct error err = { 0 };
    int r = read_kept(supervisor, &err);

    if (r < 0)
        forget(&supervisor->rotation);
    if (r < 0 && r != -ENOENT)
        log_error("a new token that was kept cannot be read: %s", err.message);
}

/* The configuration has it, or nobody it could be for. */
static void close_rotation(struct supervisor *supervisor)
{
    (void) unlinkat(supervisor->state_fd, FILE_NAME, 0);
    forget(&supervisor->rotation);
}

static bool is_wanted(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->config->n_runners; i++)
        if (is_of(&supervisor->rotation, &supervisor->config->runners[i]))
            return true;
    return false;
}

/* Until the manager has read it from there, the token is used from here. A file that is away for a moment, or half written
 * by an editor, is no reason to give the token up: what the manager has read of it last decides. */
static void write_token(struct supervisor *supervisor)
{
    struct rotation *rotation = &supervisor->rotation;
    const struct edit_token change = { .config = supervisor->config->file,
                                       .url = rotation->url,
                                       .former = secret_reveal(rotation->former),
                                       .token = secret_reveal(rotation->token),
                                       .obtained_ms = rotation->obtained_ms,
                                       .expires_ms = rotation->expires_ms };
    struct error err = { 0 };
    int64_t now = now_mono(supervisor);
    int r;

    if (!is_wanted(supervisor)) {
        close_rotation(supervisor);
        return;
    }
    if (rotation->written || now < rotation->again_mono)
        return;
    rotation->again_mono = now + WRITE_AGAIN_MS;
    r = edit_token(&change, 0, &err);
    counts_note_saved(supervisor, r == 0);
    if (r == 0) {
        log_notice("the new token is in %s", supervisor->config->file);
        rotation->written = true;
        supervisor_reload(supervisor);
    } else if (now >= rotation->tell_again_mono) {
        rotation->tell_again_mono = now + TELL_AGAIN_MS;
        log_error(
            "the new token cannot be written: %s; it is used all the same, and kept in %s until "
            "it can, retrying",
            err.message, supervisor->state_dir);
    }
}

static void take_token(struct supervisor *supervisor,
                       const struct coordinator_runner_answer *answer)
{
    struct rotation *rotation = &supervisor->rotation;
    struct error err = { 0 };

    rotation->token = secret_from_str(answer->token);
    if (!rotation->token) {
        log_error("a new token came and there is no memory for it");
        forget(rotation);
        return;
    }
    rotation->obtained_ms = now_wall(supervisor);
    rotation->expires_ms = answer->expires_ms;
    effect_point("token_keep", "before");
    if (keep(supervisor, &err) < 0)
        log_error("the new token cannot be kept: %s", err.message);
    effect_point("token_keep", "after");
    write_token(supervisor);
}

static void on_answer(void *arg, const struct coordinator_runner_answer *answer)
{
    struct supervisor *supervisor = arg;
    struct rotation *rotation = &supervisor->rotation;

    rotation->call = NULL;
    if (answer->status == 201) {
        log_notice("Resetting runner authentication token... succeeded");
        take_token(supervisor, answer);
    } else {
        log_error("Resetting runner authentication token... failed: %s, retrying", answer->message);
        forget(rotation);
    }
    supervisor_evaluate_soon(supervisor);
}

static int ask(struct group *group, struct error *err)
{
    struct supervisor *supervisor = group->supervisor;
    struct rotation *rotation = &supervisor->rotation;
    const char *token = secret_reveal(group->runner->token);
    const struct edit_token change = { .config = supervisor->config->file,
                                       .url = group->runner->url,
                                       .former = token };
    int r = edit_token_check(&change, 0, err);

    if (r < 0)
        return r;
    rotation->url = mem_strdup(group->runner->url);
    rotation->former = secret_dup(group->runner->token);
    if (!rotation->url || !rotation->former)
        return error_set(err, -ENOMEM, "out of memory");
    return coordinator_reset_token(supervisor->coordinator, &group->host, token, 0, NULL, on_answer,
                                   supervisor, &rotation->call, err);
}

/* A token that expires at once would be renewed at once: never sooner than after a while. */
static void begin(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;
    const struct config_runner *runner = group->runner;
    struct error err = { 0 };

    group->rotate_again_mono = now_mono(supervisor) + ASK_AGAIN_MS;
    if (runner->autoscaler.flags.set[FF_DISABLE_AUTOMATIC_TOKEN_ROTATION] == 1) {
        if (group->rotation_kept_back != runner->token_expires_ms)
            log_warning("runner '%s': its token expires soon and is not renewed, because of "
                        "FF_DISABLE_AUTOMATIC_TOKEN_ROTATION",
                        runner->name);
        group->rotation_kept_back = runner->token_expires_ms;
        return;
    }
    log_notice("runner '%s' (%s): its token expires soon and is renewed", runner->name,
               group->short_token);
    if (ask(group, &err) == 0)
        return;
    log_error("runner '%s': its token expires soon and cannot be renewed: %s, retrying",
              runner->name, err.message);
    forget(&supervisor->rotation);
}

static bool is_due(const struct group *group)
{
    const struct supervisor *supervisor = group->supervisor;

    return group->runner->token_expires_ms > 0 && !group->leaving &&
           now_wall(supervisor) >= due_wall_ms(group->runner) &&
           now_mono(supervisor) >= group->rotate_again_mono;
}

static bool may_ask(const struct supervisor *supervisor)
{
    return supervisor->options.follows_config && !supervisor->rotation.call &&
           !supervisor->rotation.token && !supervisor->stopping && !supervisor->draining;
}

void rotation_tick(struct supervisor *supervisor)
{
    if (supervisor->rotation.token)
        write_token(supervisor);
    for (size_t i = 0; i < supervisor->n_groups && may_ask(supervisor); i++)
        if (is_due(supervisor->groups[i]))
            begin(supervisor->groups[i]);
}

bool rotation_is_asking(const struct supervisor *supervisor)
{
    return supervisor->rotation.call != NULL;
}

void rotation_done(struct supervisor *supervisor)
{
    coordinator_call_cancel(supervisor->rotation.call);
    forget(&supervisor->rotation);
}
