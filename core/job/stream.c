/* core/job/stream.c - see stream.h.
 *
 * A try is one run of the helper and one transfer. Whether what passed was whole is known by both ends
 * alone: of an upload by the helper's exit status, which the transfer waits for before it completes its
 * request; of a download by the transfer's end, which counts for more than what the helper made of it. */
#include "core/job/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/packer.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"
#include "core/job/supply.h"

#define LOOK_MS 250
#define FIRST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS 5000

static int on_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct job *job = arg;

    return trace_write(job->trace, is_stderr ? TRACE_STDERR : TRACE_STDOUT, data, len);
}

/* `sh -c SCRIPT sh DIR`: stdin is a stream, so the script is in the command. */
static void add_command(struct buf *out, const char *script, const char *dir)
{
    buf_add_str(out, "sh -c ");
    quote_word(out, script);
    buf_add_str(out, " sh ");
    quote_word(out, dir);
}

/* 0 when it ended by itself; else as remote_exec(), and it does not run on. */
static int execute(struct job *job, struct remote_exec *exec, struct remote_exit *ret,
                   struct error *err)
{
    int r;

    exec->on_output = on_output;
    exec->arg = job;
    exec->deadline_mono_ms = job->deadline_ms;
    remote_set_watch(job->remote, stage_watch(job));
    r = remote_exec(job->remote, exec, ret, err);
    (void) trace_end_stream(job->trace, TRACE_STDOUT, r < 0);
    (void) trace_end_stream(job->trace, TRACE_STDERR, r < 0);
    if (r < 0 && r != -EPIPE && r != -ENETRESET)
        stage_kill(job);
    return r;
}

/* The directory was another job's before: what lies there under this name is not followed. */
struct end stream_begin(struct job *job, int program_fd)
{
    static const char script[] =
        "umask 077; rm -rf -- \"$1/" HELPER_FILE "\" && set -C && cat > \"$1/" HELPER_FILE
        "\" && chmod 700 \"$1/" HELPER_FILE "\" && \"$1/" HELPER_FILE "\" --version > /dev/null";
    autobuf struct buf command = BUF_INIT;
    struct remote_exec exec = { .stdin_fd = program_fd };
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    int r;

    add_command(&command, script, job->tmp_dir);
    if (buf_error(&command) < 0)
        return end_make(END_SYSTEM, "the helper cannot be brought: memory is short");
    exec.command = buf_str(&command);
    r = execute(job, &exec, &exit, &err);
    return r < 0 ? end_from_error(job, r, err.message) : stage_exit(&exit);
}

/* The line that the helper begins with. */

static void add_pair(json_t *list, const char *key, const char *value)
{
    json_t *pair = json_object_new_array();

    if (!pair)
        return;
    (void) json_object_array_add(pair, json_object_new_string(key));
    (void) json_object_array_add(pair, json_object_new_string(value));
    (void) json_object_array_add(list, pair);
}

/* Files of variables are there since the first stage; what could make git run other code is not. */
static json_t *environment_of(const struct job *job)
{
    json_t *list = json_object_new_array();

    for (size_t i = 0; list && i < job->variables.n; i++) {
        const struct variable *variable = &job->variables.items[i];
        autobuf struct buf path = BUF_INIT;

        if (script_name_is_hostile(variable->key))
            continue;
        buf_addf(&path, "%s/%s", job->tmp_dir, variable->key);
        add_pair(list, variable->key, variable->file ? buf_str(&path) : variable_value(variable));
    }
    return list;
}

static json_t *arguments_of(const struct helper_call *call)
{
    json_t *list = json_object_new_array();

    (void) json_object_array_add(list, json_object_new_string(call->command));
    for (size_t i = 0; list && i < json_object_array_length(call->words); i++)
        (void) json_object_array_add(list,
                                     json_object_get(json_object_array_get_idx(call->words, i)));
    return list;
}

static int add_first_line(const struct job *job, const struct helper_call *call, struct buf *out)
{
    autojson json_t *line = json_object_new_object();
    autobuf struct buf env_file = BUF_INIT;
    const char *text;

    buf_addf(&env_file, "%s/gitlab_runner_env", job->tmp_dir);
    (void) json_add_str(line, "directory", job->build_dir);
    (void) json_add(line, "environment", environment_of(job));
    (void) json_add_str(line, "env_file", buf_str(&env_file));
    (void) json_add_bool(line, "store", call->request != NULL);
    (void) json_add(line, "arguments", arguments_of(call));
    text = line ? json_text(line) : NULL;
    if (!text)
        return -ENOMEM;
    buf_addf(out, "%s\n", text);
    return buf_error(out);
}

static int run_script(struct job *job, const struct helper_call *call, int stdin_fd, int stdout_fd,
                      struct remote_exit *ret, struct error *err)
{
    autobuf struct buf script = BUF_SECRET, command = BUF_INIT;
    struct remote_exec exec = { .stdin_fd = stdin_fd, .stdout_fd = stdout_fd };
    int r = packer_script(job, call, &script, err);

    job->shell->add_command(job->shell, &command, job->nested_shell);
    if (r == -EPERM) {
        helper_line(job, HELPER_FATAL, err->message, "");
        *ret = (struct remote_exit) { .has_status = true, .status = 1 };
        return 0;
    }
    if (r < 0 || buf_error(&command) < 0)
        return error_set(err, -ENOMEM, "the archive cannot be made: memory is short");
    exec.command = buf_str(&command);
    exec.input = script.data;
    exec.input_len = script.len;
    return execute(job, &exec, ret, err);
}

static int run_packer(struct job *job, const struct helper_call *call, int stdin_fd, int stdout_fd,
                      struct remote_exit *ret, struct error *err)
{
    int r;

    packer_swap(job);
    r = run_script(job, call, stdin_fd, stdout_fd, ret, err);
    packer_swap(job);
    return r;
}

static int run_ours(struct job *job, const struct helper_call *call, int stdin_fd, int stdout_fd,
                    struct remote_exit *ret, struct error *err)
{
    autobuf struct buf line = BUF_SECRET, script = BUF_INIT, command = BUF_INIT;
    struct remote_exec exec = { .stdin_fd = stdin_fd, .stdout_fd = stdout_fd };

    script_note_process(&script, job->tmp_dir);
    buf_add_str(&script, "umask 077; exec \"$1/" HELPER_FILE "\" stream");
    buf_inherit_error(&command, &script);
    add_command(&command, buf_str(&script), job->tmp_dir);
    if (add_first_line(job, call, &line) < 0 || buf_error(&command) < 0)
        return error_set(err, -ENOMEM, "the helper cannot be told what to do: memory is short");
    exec.command = buf_str(&command);
    exec.input = line.data;
    exec.input_len = line.len;
    return execute(job, &exec, ret, err);
}

static int run_helper(struct job *job, const struct helper_call *call, int stdin_fd, int stdout_fd,
                      struct remote_exit *ret, struct error *err)
{
    return job->helper.packer.shell ? run_packer(job, call, stdin_fd, stdout_fd, ret, err)
                                    : run_ours(job, call, stdin_fd, stdout_fd, ret, err);
}

/* How one try ended: what the job's end is if no other follows, or what the transfer said. */
struct attempt {
    bool decided; /* `end` it is */
    struct end end;
    struct supply_end supply;
};

static struct attempt decided(struct end end)
{
    return (struct attempt) { .decided = true, .end = end };
}

static struct end failed(void)
{
    const struct remote_exit exit = { .has_status = true, .status = 1 };

    return stage_exit(&exit);
}

/* Refused by the supervisor, or stopped. */
static struct attempt not_begun(struct job *job, int r, const char *message)
{
    if (end_is_for_all(job, r))
        return decided(end_from_error(job, r, message));
    helper_line(job, HELPER_FATAL, message, "");
    return decided(failed());
}

static struct attempt wait_for_end(struct job *job)
{
    struct attempt attempt = { 0 };
    struct error err = { 0 };
    int r = supply_wait(job->report, job->deadline_ms, &attempt.supply, &err);

    return r < 0 ? decided(end_from_error(job, r, err.message)) : attempt;
}

static struct attempt upload_once(struct job *job, const struct helper_call *call)
{
    struct remote_exit exit = { 0 };
    struct attempt attempt;
    struct error err = { 0 };
    int fd = -1, r = supply_transfer(job->report, call->request, &fd, &err);

    if (r < 0)
        return not_begun(job, r, err.message);
    r = run_helper(job, call, 0, fd, &exit, &err);
    (void) close(fd);
    supply_commit(job->report, r == 0 && exit.status == 0);
    if (r < 0 && r != -ESHUTDOWN) /* the transfer ends by itself */
        return decided(end_from_error(job, r, err.message));
    attempt = wait_for_end(job);
    return r == 0 && exit.status != 0 && !attempt.decided ? decided(stage_exit(&exit)) : attempt;
}

static bool at_end(int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };
    int there = 0;

    return poll(&look, 1, 0) > 0 && ioctl(fd, FIONREAD, &there) == 0 && there == 0;
}

/* Until the first byte has come, or it is clear that none will: by then the answer is known, and only a
 * good one is given to the helper. */
static int wait_for_answer(struct job *job, int fd, struct error *err)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };

    remote_set_watch(job->remote, stage_watch(job));
    while (poll(&look, 1, LOOK_MS) == 0) {
        int64_t now = clock_mono_ms(&clock_system);
        int r = now < job->deadline_ms ? remote_idle(job->remote, now + 1, err) : -ETIMEDOUT;

        if (r < 0)
            return r;
    }
    return 0;
}

/* What a transfer that was cut has left is no archive. */
static struct end remove_half(struct job *job, const struct helper_call *call)
{
    autobuf struct buf body = BUF_INIT;

    if (!call->file)
        return end_ok();
    job->shell->own_begin(&body);
    job->shell->remove_tree(&body, call->file);
    job->shell->own_end(&body);
    return stage_execute(job, &body, 0, job->deadline_ms, NULL);
}

/* Nothing came, and the transfer's end tells whether there is nothing: then the helper takes what is on the
 * instance. */
static struct attempt unpack_nothing(struct job *job, const struct helper_call *call, int fd)
{
    struct attempt attempt = wait_for_end(job);
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    int r;

    if (attempt.decided || attempt.supply.result != SUPPLY_OK)
        return attempt;
    r = run_helper(job, call, fd, 0, &exit, &err);
    return decided(r < 0 ? end_from_error(job, r, err.message) : stage_exit(&exit));
}

static struct attempt unpack_stream(struct job *job, const struct helper_call *call, int stream_fd)
{
    autoclose int fd = stream_fd;
    struct remote_exit exit = { 0 };
    struct attempt attempt;
    struct error err = { 0 };
    int r = run_helper(job, call, fd, 0, &exit, &err);
    struct end end;
    bool ended;

    if (r < 0)
        return decided(end_from_error(job, r, err.message));
    ended = at_end(fd);
    (void) close(take_fd(&fd)); /* so that a transfer ends whose rest nobody takes */
    attempt = wait_for_end(job);
    if (attempt.decided || (exit.status != 0 && !ended))
        return attempt.decided ? attempt : decided(stage_exit(&exit));
    if (attempt.supply.result == SUPPLY_OK)
        return exit.status == 0 ? attempt : decided(stage_exit(&exit));
    end = remove_half(job, call);
    return end.kind == END_OK ? attempt : decided(end);
}

static struct attempt download_from(struct job *job, const struct helper_call *call,
                                    json_t *request)
{
    struct error err = { 0 };
    autoclose int fd = -1;
    int r = supply_transfer(job->report, request, &fd, &err);

    if (r < 0)
        return not_begun(job, r, err.message);
    r = wait_for_answer(job, fd, &err);
    if (r < 0)
        return decided(end_from_error(job, r, err.message));
    return at_end(fd) ? unpack_nothing(job, call, fd) : unpack_stream(job, call, take_fd(&fd));
}

static struct attempt download_once(struct job *job, const struct helper_call *call)
{
    struct attempt attempt = download_from(job, call, call->request);

    return !attempt.decided && attempt.supply.result == SUPPLY_NOT_FOUND && call->other_request
               ? download_from(job, call, call->other_request)
               : attempt;
}

/* Trying again (6.3, 6.4, 5.5, 5.6). */

static int tries_of(const struct helper_call *call, enum supply_result result)
{
    bool upload = str_eq(call->command, "artifacts-uploader");

    if (result == SUPPLY_UNAVAILABLE)
        return upload ? 6 : 3;
    return result == SUPPLY_RETRY ? 3 : 1;
}

static struct end pause_again(struct job *job, const struct helper_call *call, const char *why,
                              int64_t ms)
{
    int64_t until = clock_mono_ms(&clock_system) + fault_limit_ms("carry_pause", ms);
    autobuf struct buf fields = BUF_INIT;

    buf_addf(&fields, " context=%s error=%s", call->command, why);
    helper_line(job, HELPER_WARNING, "Retrying...", buf_str(&fields));
    return attempts_rest(job, until, job->deadline_ms);
}

static struct end say_result(struct job *job, const struct helper_call *call,
                             const struct supply_end *supply)
{
    bool miss = supply->result == SUPPLY_NOT_FOUND && str_starts(call->command, "cache-");

    if (supply->result != SUPPLY_OK) {
        helper_line(job, miss ? HELPER_WARNING : HELPER_FATAL, supply->message, "");
        return failed();
    }
    if (call->done && supply->status != 0)
        helper_line(job, HELPER_INFO, call->done, call->done_fields);
    return end_ok();
}

/* Nothing is carried away: the archive stays on the instance. */
static struct end run_there(struct job *job, const struct helper_call *call)
{
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    int r = run_helper(job, call, 0, 0, &exit, &err);

    return r < 0 ? end_from_error(job, r, err.message) : stage_exit(&exit);
}

struct end stream_run(struct job *job, const struct helper_call *call)
{
    int64_t longest =
        str_eq(call->command, "artifacts-uploader") ? LONGEST_PAUSE_MS : FIRST_PAUSE_MS;
    int64_t pause = FIRST_PAUSE_MS;

    if (!call->request)
        return run_there(job, call);
    for (int tried = 1;; tried++) {
        struct attempt attempt = call->upload ? upload_once(job, call) : download_once(job, call);
        struct end end;

        if (attempt.decided)
            return attempt.end;
        if (tried >= tries_of(call, attempt.supply.result))
            return say_result(job, call, &attempt.supply);
        end = pause_again(job, call, attempt.supply.message, pause);
        if (end.kind != END_OK)
            return end;
        pause = MIN(pause * 2, longest);
        if (json_object_object_get(call->request, "direct")) /* that is for the first try */
            (void) json_add_bool(call->request, "direct", false);
    }
}
