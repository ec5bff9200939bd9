/* core/cli/logs.c - `flotilla logs`: a job's masked log as it grows (core/supervisor/job_log.c). The manager hands out
 * the file and says how the job ended; so a manager that is restarted meanwhile interrupts nothing. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/ask.h"
#include "core/cli/control_client.h"
#include "core/exec/job_log.h"

#define LOOK_MS 250 /* how often it is looked for more, and whether the job has ended */

/* How the job ended, as this command ends. */
enum { ENDED_WELL = 0, ENDED_FAILED = 3, ENDED_CANCELED = 4, ENDED_SYSTEM = 5 };

struct reading {
    const struct ask_options *options;
    const char *state_dir;
    int64_t seq; /* 0 = not known yet */
    int fd;      /* -1 = there is no log yet */
    bool raw;    /* bytes as they are */
    bool away;   /* the manager is, and that was said */
    struct job_log log;
    json_t *answer; /* the latest */
};

static void print_line(void *arg, const char *text)
{
    (void) arg;
    (void) printf("%s\n", text);
}

static int show(struct reading *reading, const char *data, size_t len)
{
    if (!reading->raw)
        job_log_add(&reading->log, data, len);
    else if (fs_write_all(STDOUT_FILENO, data, len) < 0)
        return -EPIPE;
    return fflush(stdout) == 0 ? 0 : -EPIPE;
}

/* To its present end. */
static int read_on(struct reading *reading)
{
    char data[64 * 1024];
    ssize_t n = 0;
    int r = 0;

    while (r == 0 && reading->fd >= 0 && (n = io_read(reading->fd, data, sizeof(data))) > 0)
        r = show(reading, data, (size_t) n);
    return n < 0 ? -errno : r;
}

/* -ENOTCONN: nobody answers now. */
static int ask(struct reading *reading)
{
    autojson json_t *request = json_frame("log"), *answer = NULL;
    struct error err = { 0 };
    autoclose int fd = -1;
    int r;

    (void) json_add_str(request, "name", reading->options->word);
    if (reading->seq != 0)
        (void) json_add_i64(request, "seq", reading->seq);
    r = control_ask(reading->state_dir, request, ASK_TIMEOUT_MS, &answer, &fd, &err);
    if (r < 0) {
        bool going_on = reading->seq != 0 && r != -EINVAL;

        if (!going_on || !reading->away)
            cli_say("flotilla: %s%s", err.message, going_on ? "; waiting for it" : "");
        reading->away = true;
        return going_on ? -ENOTCONN : r;
    }
    json_object_put(reading->answer);
    reading->answer = take_ptr(answer);
    reading->away = false;
    reading->seq = ask_number(reading->answer, "seq");
    if (reading->fd < 0)
        reading->fd = take_fd(&fd);
    return 0;
}

static bool has_ended(const struct reading *reading)
{
    return *ask_text(reading->answer, "result") != '\0';
}

static int status_of(const struct reading *reading)
{
    const char *reason = ask_text(reading->answer, "failure_reason");

    if (str_eq(ask_text(reading->answer, "result"), "success"))
        return ENDED_WELL;
    if (str_eq(reason, "job_canceled"))
        return ENDED_CANCELED;
    return str_eq(reason, "runner_system_failure") ? ENDED_SYSTEM : ENDED_FAILED;
}

/* What it wrote up to its end is in the file, which we have even when the manager has removed it. */
static int follow(struct reading *reading)
{
    int r = 0;

    while (r == 0 && !has_ended(reading)) {
        r = read_on(reading);
        (void) poll(NULL, 0, LOOK_MS);
        if (r == 0 && ask(reading) < 0 && !reading->away)
            return -EPROTO;
    }
    return r == 0 ? read_on(reading) : r;
}

static int missing(const struct reading *reading)
{
    int64_t job = ask_number(reading->answer, "job");

    if (str_eq(ask_text(reading->answer, "state"), "closed"))
        cli_say("flotilla: job %" PRId64
                " has ended (%s%s%s) and GitLab has its log; it is not kept here any more "
                "(keep_logs)",
                job, ask_text(reading->answer, "result"),
                *ask_text(reading->answer, "failure_reason") ? ", " : "",
                ask_text(reading->answer, "failure_reason"));
    else
        cli_say("flotilla: job %" PRId64 " has no log yet: it is %s; `flotilla explain job:%" PRId64
                "` says what it waits for, and -f waits with it",
                job, ask_text(reading->answer, "state"), job);
    return 1;
}

static int show_log(struct reading *reading)
{
    bool following = reading->options->follow;
    int r = ask(reading);

    if (r < 0)
        return 1;
    if (reading->fd < 0 && (!following || has_ended(reading)))
        return missing(reading);
    r = following ? follow(reading) : read_on(reading);
    job_log_end(&reading->log);
    if (r < 0 && r != -EPIPE)
        cli_say("flotilla: the log cannot be read on: %s", strerror(-r));
    return r < 0 ? 1 : following ? status_of(reading) : 0;
}

int cli_logs(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text =
            "Usage: flotilla logs JOB [-f|--follow] [--raw] [--config FILE] [--state-dir DIR]\n"
            "Prints the masked log of a job that runs here, or has run lately: keep_logs in the\n"
            "configuration says how much is kept. JOB is the number that GitLab shows. -f goes\n"
            "on until the job ends, and then ends with 0 when it succeeded, 3 when it failed,\n"
            "4 when it was canceled, 5 when the system failed. --raw prints its bytes as they\n"
            "are; else colours are kept on a terminal, and nothing else that drives one.\n",
        .missing = "the number of a job is missing",
        .takes_word = true,
        .takes_follow = true,
        .takes_raw = true,
        .no_json = true,
    };
    struct ask_options options = { 0 };
    struct reading reading = { .options = &options, .fd = -1 };
    struct error err = { 0 };
    autofree char *dir = NULL;
    int r = ask_parse(argc, argv, &usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    dir = control_state_dir(options.state_dir, options.config, &err);
    if (!dir) {
        cli_say("flotilla: %s", err.message);
        return 1;
    }
    reading.state_dir = dir;
    reading.raw = options.raw;
    reading.log = (struct job_log) { .colours = isatty(STDOUT_FILENO) == 1, .on_line = print_line };
    r = show_log(&reading);
    json_object_put(reading.answer);
    if (reading.fd >= 0)
        (void) close(reading.fd);
    return r;
}
