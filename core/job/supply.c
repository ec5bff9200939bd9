/* core/job/supply.c - the worker's questions about artifacts and caches, as frames (supply.h,
 * docs/design/transfers.md "Requests of a worker"). */
#include "core/job/supply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/autoclean.h"
#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

/* An answer takes a moment, unless other jobs' transfers come first or the manager is being restarted. */
#define ANSWER_MS (10 * 60 * 1000)

static const char *const methods[] = {
    [SUPPLY_GET] = "GET", [SUPPLY_HEAD] = "HEAD", [SUPPLY_PUT] = "PUT"
};

static const char *const results[] = {
    [SUPPLY_OK] = "ok",
    [SUPPLY_RETRY] = "retry",
    [SUPPLY_UNAVAILABLE] = "unavailable",
    [SUPPLY_NOT_FOUND] = "not_found",
    [SUPPLY_DENIED] = "denied",
    [SUPPLY_TOO_LARGE] = "too_large",
    [SUPPLY_FAILED] = "failed",
};

void supply_url_done(struct supply_url *url)
{
    secret_wipe_str(url->url);
    free(url->url);
    json_object_put(url->headers);
    *url = (struct supply_url) { 0 };
}

static json_t *new_request(struct report *report, const char *type, int64_t *ret_id)
{
    json_t *frame = json_frame(type);

    *ret_id = ++report_supply(report)->last_id;
    if (frame && json_add_i64(frame, "id", *ret_id) < 0) {
        json_object_put(frame);
        return NULL;
    }
    return frame;
}

/* An answer that is a refusal, with the supervisor's sentence. */
static int refused(json_t *answer, struct error *err)
{
    const char *message = NULL;

    (void) json_opt_str(answer, "error", &message, NULL);
    return message ? error_set(err, -EPERM, "%s", message) : 0;
}

static int take_signed(json_t *answer, struct supply_url *ret, struct error *err)
{
    const char *url = NULL;
    json_t *headers = NULL;
    bool none = false;
    int r = refused(answer, err);

    if (r < 0)
        return r;
    (void) json_opt_bool(answer, "none", &none, NULL);
    if (none)
        return error_set(err, -ENOENT, "no cache store is configured");
    r = json_need_str(answer, "url", &url, err);
    if (r == 0)
        r = json_opt_array(answer, "headers", &headers, err);
    if (r < 0)
        return r;
    *ret = (struct supply_url) { .url = mem_strdup(url), .headers = json_object_get(headers) };
    return ret->url ? 0 : error_set(err, -ENOMEM, "a signed URL: out of memory");
}

int supply_sign(struct report *report, const char *name, enum supply_method method,
                struct supply_url *ret, struct error *err)
{
    struct report_question question = { .answer = "signed", .what = "a signed URL" };
    autojson json_t *answer = NULL, *frame = new_request(report, "sign", &question.id);
    int r;

    *ret = (struct supply_url) { 0 };
    if (!frame || json_add_str(frame, "name", name) < 0 ||
        json_add_str(frame, "method", methods[method]) < 0)
        return error_set(err, -ENOMEM, "a signed URL: out of memory");
    question.frame = frame;
    r = report_ask(report, &question, clock_mono_ms(&clock_system) + ANSWER_MS, &answer, err);
    return r < 0 ? r : take_signed(answer, ret, err);
}

/* Of the transfer that runs; nothing is told to a supervisor that does not know it. */
static void tell_transfer(struct report *report, json_t *frame)
{
    struct report_supply *supply = report_supply(report);

    if (supply->transfer == 0 || report_connection(report) != supply->transfer_connection)
        return;
    (void) json_add_i64(frame, "id", supply->transfer);
    report_tell(report, frame);
}

static void stop_transfer(struct report *report)
{
    autojson json_t *frame = json_frame("transfer_stop");

    tell_transfer(report, frame);
    report_supply(report)->transfer = 0;
}

int supply_transfer(struct report *report, json_t *request, int *ret_fd, struct error *err)
{
    struct report_supply *supply = report_supply(report);
    struct report_question question = { .answer = "transfer_open", .what = "a transfer" };
    autojson json_t *answer = NULL, *frame = new_request(report, "transfer", &question.id);
    int former = report_take_descriptor(report); /* nobody waited for its answer any more */
    int r;

    cleanup_close(&former);
    *ret_fd = -1;
    if (!frame || json_add(frame, "request", json_object_get(request)) < 0)
        return error_set(err, -ENOMEM, "a transfer: out of memory");
    question.frame = frame;
    r = report_ask(report, &question, clock_mono_ms(&clock_system) + ANSWER_MS, &answer, err);
    supply->transfer = question.id;
    supply->transfer_connection = report_connection(report);
    if (r < 0) {
        stop_transfer(report);
        return r;
    }
    r = refused(answer, err);
    if (r == 0)
        *ret_fd = report_take_descriptor(report);
    if (r == 0 && *ret_fd < 0)
        r = error_set(err, -EPROTO, "the transfer came without its stream");
    if (r < 0)
        supply->transfer = 0;
    return r;
}

void supply_commit(struct report *report, bool whole)
{
    autojson json_t *frame = json_frame("transfer_commit");

    (void) json_add_bool(frame, "whole", whole);
    tell_transfer(report, frame);
}

static int take_end(json_t *answer, struct supply_end *ret, struct error *err)
{
    const char *result = NULL, *message = "";
    int64_t status = 0;
    int r = json_need_str(answer, "result", &result, err);

    if (r == 0)
        r = json_opt_i64(answer, "status", 0, 999, &status, err);
    if (r == 0)
        r = json_opt_str(answer, "message", &message, err);
    if (r < 0)
        return r;
    *ret = (struct supply_end) { .result = SUPPLY_FAILED, .status = (int) status };
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        if (str_eq(result, results[i]))
            ret->result = (enum supply_result) i;
    (void) str_cut(ret->message, sizeof(ret->message), message);
    return 0;
}

int supply_wait(struct report *report, int64_t deadline_mono_ms, struct supply_end *ret,
                struct error *err)
{
    struct report_supply *supply = report_supply(report);
    const struct report_question question = { .answer = "transfer_end",
                                              .id = supply->transfer,
                                              .connection = supply->transfer_connection,
                                              .what = "the end of a transfer" };
    autojson json_t *answer = NULL;
    int r = supply->transfer == 0 || supply->transfer_connection == 0
                ? -ENETUNREACH
                : report_ask(report, &question, deadline_mono_ms, &answer, err);

    if (r == 0)
        r = take_end(answer, ret, err);
    else if (r != -ENETUNREACH)
        stop_transfer(report);
    supply->transfer = 0;
    if (r == -ENETUNREACH) {
        *ret = (struct supply_end) { .result = SUPPLY_RETRY,
                                     .message = "the manager was restarted meanwhile" };
        r = 0;
    }
    return r;
}
