/* helper/http/upload_artifacts.c - an archive on its way to GitLab while it is made, with all tries and
 * what is said of them (job-execution.md 6.3). */
#include <stdio.h>

#include "core/base/str.h"
#include "core/transfer/artifact_http.h"
#include "helper/http.h"
#include "helper/http/certificates.h"
#include "helper/say.h"

#define TRIES 3
#define TRIES_UNAVAILABLE 6
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 5000
#define DEBUG_BODY_MAX 512

struct upload {
    struct packed *archive;
    struct meter *meter;
};

static int64_t read_archive(void *arg, void *data, size_t size)
{
    struct upload *upload = arg;
    int64_t n = packed_read(upload->archive, data, size);

    if (n > 0)
        meter_add(upload->meter, n);
    return n;
}

static int rewind_archive(void *arg)
{
    struct upload *upload = arg;

    packed_rewind(upload->archive);
    meter_start(upload->meter);
    return 0;
}

static void say_answer(const char *headers, const char *body)
{
    say(SAY_INFO, "Response: %s%.*s", headers, DEBUG_BODY_MAX, body);
}

static enum say_level level_of(enum outcome_result result)
{
    switch (result) {
    case OUTCOME_OK:
        return SAY_INFO;
    case OUTCOME_RETRY:
    case OUTCOME_MOVED:
        return SAY_WARNING;
    default:
        return SAY_ERROR;
    }
}

static void say_outcome(const struct artifacts_form *form, const struct outcome *outcome)
{
    char id[24], as[96] = "";
    const struct say_field fields[] = { { "correlation_id", outcome->request_id },
                                        { "error", outcome->status == 0 ? outcome->message : "" },
                                        { "id", id },
                                        { "responseStatus", outcome->status_line },
                                        { "token", form->gitlab->short_token } };

    (void) snprintf(id, sizeof(id), "%lld", (long long) form->gitlab->job_id);
    if (!str_empty(form->type))
        (void) snprintf(as, sizeof(as), " as \"%.80s\"", form->type);
    say_with(level_of(outcome->result), fields, ARRAY_LEN(fields),
             "Uploading artifacts%s to coordinator... %s", as,
             outcome->status != 0 ? outcome->status_line : "error");
}

static bool may_pass(const struct outcome *outcome, int tries)
{
    switch (outcome->result) {
    case OUTCOME_UNAVAILABLE:
        return tries < TRIES_UNAVAILABLE;
    case OUTCOME_RETRY:
    case OUTCOME_MOVED:
        return tries < TRIES;
    default:
        return false;
    }
}

/* 1, 2, 4, 5 s. */
static int64_t pause_before(int tries)
{
    return MIN((int64_t) PAUSE_MIN_MS << (tries - 1), (int64_t) PAUSE_MAX_MS);
}

static struct artifact_upload make_upload(const struct artifacts_form *form)
{
    return (struct artifact_upload) { .url = form->gitlab->url,
                                      .token = form->gitlab->token,
                                      .job_id = form->gitlab->job_id,
                                      .file_name = form->file_name,
                                      .format = form->format,
                                      .type = form->type,
                                      .expire_in = form->expire_in,
                                      .timeout_ms = form->timeout_ms,
                                      .response_timeout_ms = form->response_timeout_ms,
                                      .debug = form->debug ? say_answer : NULL };
}

int http_upload_artifacts(const struct artifacts_form *form, struct packed *archive,
                          struct meter *meter)
{
    struct upload context = { .archive = archive, .meter = meter };
    const struct outcome_source source = {
        .read = read_archive, .rewind = rewind_archive, .arg = &context, .size = -1
    };
    struct artifact_upload upload = make_upload(form);
    struct certificates certificates;
    struct outcome outcome;
    char moved_to[sizeof(outcome.base_url)];

    certificates_find(form->gitlab, &certificates, &upload.tls);
    for (int tries = 1;; tries++) {
        meter_start(meter);
        artifact_http_upload(&upload, &source, &outcome);
        meter_end(meter);
        say_outcome(form, &outcome);
        if (outcome.result == OUTCOME_OK)
            return 0;
        if (!may_pass(&outcome, tries))
            return say_fatal("%s", outcome.message);
        packed_rewind(archive);
        if (outcome.result == OUTCOME_MOVED)
            upload.url =
                str_copy(moved_to, sizeof(moved_to), outcome.base_url) == 0 ? moved_to : upload.url;
        retry_pause(pause_before(tries), "artifacts-uploader", outcome.message);
    }
}
