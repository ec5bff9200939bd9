/* tests/integration/supply_worker.c - a job's worker that asks for what the test tells it: the worker's own code
 * (core/job/report.c, supply.c) attached in the place of a real one.
 *
 * supply_worker CONTROL_SOCKET SEQ KEY SPOOL: reads one JSON object a line, {"do":…}, and answers each with one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/job/supply.h"

#define PATIENCE_MS 120000

static struct report *report;
static int stream = -1, spool = -1;

static void add_error(json_t *answer, int r, const struct error *err)
{
    if (r < 0)
        (void) json_add_str(answer, "error", *err->message ? err->message : strerror(-r));
}

static const char *text(json_t *order, const char *key)
{
    const char *value = "";

    (void) json_opt_str(order, key, &value, NULL);
    return value;
}

static void do_sign(json_t *order, json_t *answer)
{
    const char *method = text(order, "method");
    struct supply_url url;
    struct error err = { 0 };
    int r = supply_sign(report, text(order, "name"),
                        str_eq(method, "PUT")    ? SUPPLY_PUT
                        : str_eq(method, "HEAD") ? SUPPLY_HEAD
                                                 : SUPPLY_GET,
                        &url, &err);

    add_error(answer, r, &err);
    (void) json_add_str(answer, "url", url.url);
    (void) json_add(answer, "headers", json_object_get(url.headers));
    supply_url_done(&url);
}

static void close_stream(void)
{
    if (stream >= 0)
        (void) close(stream);
    stream = -1;
}

static void do_open(json_t *order, json_t *answer)
{
    json_t *request = NULL;
    struct error err = { 0 };
    int r = json_opt_object(order, "request", &request, &err);

    close_stream();
    if (r == 0)
        r = supply_transfer(report, request, &stream, &err);
    add_error(answer, r, &err);
}

static void do_write(json_t *order, json_t *answer)
{
    const char *data = text(order, "text");

    add_error(answer, fs_write_all(stream, data, strlen(data)), &(struct error) { 0 });
}

static void do_read(json_t *order, json_t *answer)
{
    autoclose int file = open(text(order, "file"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int64_t total = 0;
    char data[65536];
    ssize_t n;

    while ((n = read(stream, data, sizeof(data))) > 0) {
        if (fs_write_all(file, data, (size_t) n) < 0)
            n = -1;
        total += n;
    }
    (void) json_add_i64(answer, "bytes", total);
    add_error(answer, n < 0 ? -errno : 0, &(struct error) { 0 });
}

static void do_commit(json_t *order, json_t *answer)
{
    bool whole = false;

    (void) json_opt_bool(order, "whole", &whole, NULL);
    (void) answer;
    close_stream();
    supply_commit(report, whole);
}

static void do_wait(json_t *order, json_t *answer)
{
    static const char *const results[] = {
        [SUPPLY_OK] = "ok",
        [SUPPLY_RETRY] = "retry",
        [SUPPLY_UNAVAILABLE] = "unavailable",
        [SUPPLY_NOT_FOUND] = "not_found",
        [SUPPLY_DENIED] = "denied",
        [SUPPLY_TOO_LARGE] = "too_large",
        [SUPPLY_FAILED] = "failed",
    };
    int64_t patience_ms = PATIENCE_MS;
    struct supply_end end = { 0 };
    struct error err = { 0 };
    int r;

    (void) json_opt_i64(order, "patience_ms", 0, PATIENCE_MS, &patience_ms, NULL);
    r = supply_wait(report, clock_mono_ms(&clock_system) + patience_ms, &end, &err);
    add_error(answer, r, &err);
    if (r < 0)
        return;
    (void) json_add_str(answer, "result", results[end.result]);
    (void) json_add_i64(answer, "status", end.status);
    (void) json_add_str(answer, "message", end.message);
}

/* Whatever a worker that was taken over might say. */
static void do_tell(json_t *order, json_t *answer)
{
    json_t *frame = NULL;

    (void) answer;
    (void) json_opt_object(order, "frame", &frame, NULL);
    report_tell(report, frame);
}

/* The real worker's place, once that is gone: whoever holds the lock is the job's worker. */
static void do_take_over(json_t *order, json_t *answer)
{
    (void) order;
    add_error(answer, flock(spool, LOCK_EX) < 0 ? -errno : 0, &(struct error) { 0 });
}

static void do_attach(json_t *order, json_t *answer)
{
    const int64_t until = clock_mono_ms(&clock_system) + PATIENCE_MS;

    (void) order;
    while (report_connection(report) == 0 && clock_mono_ms(&clock_system) < until) {
        (void) report_poll(report);
        (void) poll(NULL, 0, 10);
    }
    add_error(answer, report_connection(report) == 0 ? -ETIMEDOUT : 0, &(struct error) { 0 });
}

static void obey(json_t *order, json_t *answer)
{
    static const struct {
        const char *word;
        void (*call)(json_t *order, json_t *answer);
    } words[] = {
        { "attach", do_attach }, { "take_over", do_take_over }, { "sign", do_sign },
        { "open", do_open },     { "write", do_write },         { "read", do_read },
        { "commit", do_commit }, { "wait", do_wait },           { "tell", do_tell },
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(text(order, "do"), words[i].word))
            words[i].call(order, answer);
}

int main(int argc, char **argv)
{
    autofree char *line = NULL;
    size_t size = 0;
    int64_t seq;
    ssize_t len;

    if (argc != 5 || parse_i64(argv[2], 1, INT64_MAX, &seq) < 0)
        return 2;
    (void) signal(SIGPIPE, SIG_IGN);
    spool = open(argv[4], O_RDONLY | O_CLOEXEC);
    if (spool < 0 || report_new(-1, spool, &report, NULL) < 0 ||
        report_started(report, seq, argv[3], argv[1], false) < 0)
        return 1;
    while ((len = getline(&line, &size, stdin)) > 0) {
        autojson json_t *order = NULL, *answer = json_object_new_object();

        if (json_parse(line, (size_t) len, &order, NULL) < 0)
            return 2;
        obey(order, answer);
        (void) puts(json_text(answer));
        (void) fflush(stdout);
    }
    close_stream();
    report_free(report);
    (void) close(spool);
    return 0;
}
