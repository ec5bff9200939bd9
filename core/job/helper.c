/* core/job/helper.c - the choice of the way, and the direct one (helper.h); stream.c is the other.
 *
 * A secret reaches the helper of the instance in the script that is fed to the shell: our own reads its
 * token and signed URLs from stdin, the peer's reads a token from its environment alone and takes URLs on its command
 * line (hardening.md S4). */
#include "core/job/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/job/entry.h"
#include "core/job/helper_files.h"
#include "core/job/packer.h"
#include "core/job/stream.h"
#include "core/job/words.h"

#define OURS "flotilla-helper"
#define PEERS "gitlab-runner"

/* The first that answers, and what kind of machine this is. */
static struct end ask(struct job *job, struct buf *answer)
{
    static const char *const names[] = { OURS, PEERS };
    autobuf struct buf body = BUF_INIT;

    stage_own_begin(job, &body);
    job->shell->find_program(&body, names, ARRAY_LEN(names));
    job->shell->own_end(&body);
    return stage_execute(job, &body, STAGE_VARIABLES | STAGE_UNTRACED, job->deadline_ms, answer);
}

static void take_answer(struct job *job, struct buf *answer)
{
    struct helper *helper = &job->helper;
    const char *line = output_last_line(answer), *name = line ? line : "";
    size_t len = strcspn(name, " ");

    if (len == strlen(OURS) && str_starts(name, OURS))
        helper->program = OURS;
    else if (len == strlen(PEERS) && str_starts(name, PEERS))
        helper->program = PEERS;
    (void) str_copy(helper->machine, sizeof(helper->machine), name[len] ? name + len + 1 : "");
}

/* As `uname` names those that we can bring something to. */
static const struct {
    const char *said, *name;
} machines[HELPER_MACHINES] = {
    { "Linux x86_64", "x86_64" },
    { "Linux aarch64", "aarch64" },
};

bool helper_is_needed(const struct job *job)
{
    return entries_of(job->payload, "artifacts") || entries_of(job->payload, "cache") ||
           entries_of(job->payload, "dependencies");
}

void helper_open_files(struct job *job)
{
    for (size_t i = 0; i < HELPER_MACHINES; i++) {
        struct helper_file *file = &job->helper.files[i];
        autofree char *path = NULL;
        struct error err = { 0 };

        file->fd = -1;
        if (helper_files_find(machines[i].name, &path, &err) == 0) {
            file->fd = open(path, O_RDONLY | O_CLOEXEC);
            if (file->fd < 0)
                (void) error_errno(&err, -errno, "%s", path);
        }
        (void) str_cut(file->why, sizeof(file->why), err.message);
    }
}

void helper_close_files(struct job *job)
{
    for (size_t i = 0; i < HELPER_MACHINES; i++)
        if (job->helper.files[i].fd > 0)
            (void) close(job->helper.files[i].fd);
}

static const struct helper_file *file_for(const struct job *job)
{
    for (size_t i = 0; i < HELPER_MACHINES; i++)
        if (str_eq(job->helper.machine, machines[i].said))
            return &job->helper.files[i];
    return NULL;
}

static void say_nobody(struct job *job, const char *why)
{
    job->helper.way = HELPER_NOBODY;
    (void) trace_line(job->trace, TRACE_WARNING, "Artifacts and caches cannot be carried: %s", why);
}

/* What Windows has by itself: no helper of ours runs there without being installed. */
static struct end pack(struct job *job, const char *why)
{
    struct end end = packer_find(job);

    if (end.kind == END_EXIT) {
        say_nobody(job, "nothing can be brought to Windows, and its cygpath, which could tell "
                        "PowerShell where the files are, does not answer: put flotilla-helper.exe "
                        "or gitlab-runner.exe into the PATH of the instance, or set the runner's "
                        "shell to \"powershell\"");
        return end_ok();
    }
    if (end.kind != END_OK)
        return end;
    job->helper.way = HELPER_STREAM;
    (void) trace_line(job->trace, TRACE_PLAIN,
                      "Artifacts and caches are packed by PowerShell and carried through this "
                      "connection (%s)",
                      why);
    return end_ok();
}

/* Where even that fails the job goes on as with a runner that finds no helper. */
static struct end bring(struct job *job, const char *why)
{
    const struct helper_file *file = file_for(job);
    struct end end;

    if (packer_may_be(job))
        return pack(job, why);
    if (!file || file->fd < 0) {
        say_nobody(job, file ? file->why : "the instance is neither Linux on x86-64 nor on arm64");
        return end_ok();
    }
    (void) trace_line(job->trace, TRACE_PLAIN,
                      "Artifacts and caches are carried through this connection (%s)", why);
    end = stream_begin(job, file->fd);
    if (end.kind == END_OK)
        job->helper.way = HELPER_STREAM;
    else if (end.kind == END_EXIT)
        say_nobody(job, "the helper that was brought does not run in the job's directory");
    return end.kind == END_EXIT ? end_ok() : end;
}

static struct end choose(struct job *job)
{
    const char *wanted = text_of(job->runner, "helper", "auto");

    if (str_eq(wanted, "stream"))
        return bring(job, "helper = \"stream\"");
    if (job->helper.program) {
        job->helper.way = HELPER_DIRECT;
        (void) trace_line(
            job->trace, TRACE_PLAIN, "Artifacts and caches are carried by %s of the instance%s",
            job->helper.program, str_eq(wanted, "direct") ? " (helper = \"direct\")" : "");
    } else if (str_eq(wanted, "direct")) {
        say_nobody(job, "helper = \"direct\", and neither " OURS " nor " PEERS
                        " answers on the instance");
    } else {
        return bring(job, "neither " OURS " nor " PEERS " answers on the instance");
    }
    return end_ok();
}

struct end helper_choose(struct job *job)
{
    autobuf struct buf answer = BUF_INIT;
    struct end end = end_ok();

    if (job->helper.way != HELPER_UNKNOWN)
        return end;
    end = ask(job, &answer);
    if (end.kind != END_OK)
        return end;
    take_answer(job, &answer);
    return choose(job);
}

void helper_say_missing(struct job *job, const char *what)
{
    (void) trace_line(job->trace, TRACE_CAUTION, "Missing " PEERS ". %s is disabled.", what);
}

static void add_all(json_t **words, json_t *more)
{
    for (size_t i = 0; more && i < json_object_array_length(more); i++)
        words_add(words, words_at(more, i));
}

/* Others on the instance see its command line. */
static json_t *words_for_ours(const struct helper_call *call, bool signs)
{
    json_t *words = words_new();

    words_add(&words, call->command);
    if (signs)
        words_add(&words, "--options-stdin");
    else
        add_all(&words, call->direct);
    if (call->token)
        words_add(&words, "--token-stdin");
    add_all(&words, call->words);
    return words;
}

static json_t *words_for_peers(const struct helper_call *call)
{
    json_t *words = words_new();

    words_add(&words, call->command);
    add_all(&words, call->direct);
    add_all(&words, call->words);
    return words;
}

/* A line for each, as --options-stdin reads them. */
static void add_options(json_t *options, struct buf *out)
{
    for (size_t i = 0; i + 1 < json_object_array_length(options); i += 2)
        buf_addf(out, "%s=%s\n", words_at(options, i), words_at(options, i + 1));
}

static struct end run_direct(struct job *job, const struct helper_call *call)
{
    bool ours = str_eq(job->helper.program, OURS);
    bool signs = ours && call->signs && json_object_array_length(call->direct) > 0;
    autojson json_t *words = ours ? words_for_ours(call, signs) : words_for_peers(call);
    struct script_run run = { .program = job->helper.program, .words = words };
    autobuf struct buf body = BUF_SECRET, options = BUF_SECRET;

    if (signs)
        add_options(call->direct, &options);
    if (ours)
        run.input = call->token ? call->token : signs ? buf_str(&options) : NULL;
    else
        run.token = call->token;
    if (!words || buf_error(&options) < 0)
        return end_make(END_SYSTEM, "the helper's command cannot be made: memory is short");
    stage_own_begin(job, &body);
    job->shell->change_directory(&body, job->build_dir);
    job->shell->run(&body, &run);
    job->shell->own_end(&body);
    return stage_execute(job, &body, STAGE_VARIABLES | STAGE_UNTRACED, job->deadline_ms, NULL);
}

struct end helper_run(struct job *job, const struct helper_call *call)
{
    if (!call->words || !call->direct || (call->token && !call->request))
        return end_make(END_SYSTEM, "the helper's command cannot be made: memory is short");
    return job->helper.way == HELPER_DIRECT ? run_direct(job, call) : stream_run(job, call);
}

#define PADDED 50

void helper_line(struct job *job, enum helper_level level, const char *message, const char *fields)
{
    static const struct {
        const char *color, *prefix;
    } looks[] = {
        [HELPER_INFO] = { "", "" },
        [HELPER_WARNING] = { "\033[0;33m", "WARNING: " },
        [HELPER_ERROR] = { "\033[31;1m", "ERROR: " },
        [HELPER_FATAL] = { "\033[31;1m", "FATAL: " },
    };
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s%-*s\033[0;m %s\n", looks[level].color, looks[level].prefix,
             PADDED - (int) strlen(looks[level].prefix), message, fields);
    if (buf_error(&line) == 0)
        (void) trace_write(job->trace, TRACE_STDERR, line.data, line.len);
}
