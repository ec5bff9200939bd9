/* helper/http/download_artifacts.c - an archive from GitLab into a file, with all tries and what is said
 * of them (job-execution.md 6.4). */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/transfer/artifact_http.h"
#include "helper/http.h"
#include "helper/http/certificates.h"
#include "helper/say.h"

struct download {
    int fd;
    struct meter *meter;
};

static int begin_file(void *arg, int64_t size, int64_t modified_s)
{
    struct download *download = arg;

    (void) modified_s;
    download->meter->total = size;
    if (ftruncate(download->fd, 0) < 0 || lseek(download->fd, 0, SEEK_SET) < 0)
        return -errno;
    return 0;
}

static int write_file(void *arg, const void *data, size_t len)
{
    struct download *download = arg;
    int r = fs_write_all(download->fd, data, len);

    if (r < 0)
        return r;
    meter_add(download->meter, (int64_t) len);
    return 0;
}

static const char *word_for(const struct outcome *outcome)
{
    switch (outcome->result) {
    case OUTCOME_OK:
        return "ok";
    case OUTCOME_NOT_FOUND:
        return "not found";
    case OUTCOME_DENIED:
        return "forbidden";
    default:
        return outcome->status != 0 ? "failed" : "error";
    }
}

static void say_outcome(const struct gitlab *gitlab, const struct outcome *outcome)
{
    char id[24];
    const struct say_field fields[] = { { "correlation_id", outcome->request_id },
                                        { "error", outcome->status == 0 ? outcome->message : "" },
                                        { "host", outcome->host },
                                        { "id", id },
                                        { "responseStatus", outcome->status_line },
                                        { "token", gitlab->short_token } };

    (void) snprintf(id, sizeof(id), "%lld", (long long) gitlab->job_id);
    say_with(outcome->result == OUTCOME_OK                              ? SAY_INFO
             : outcome->result == OUTCOME_RETRY && outcome->status != 0 ? SAY_WARNING
                                                                        : SAY_ERROR,
             fields, ARRAY_LEN(fields), "Downloading artifacts from coordinator... %s",
             word_for(outcome));
}

int http_download_artifacts(const struct artifacts_fetch *fetch, int fd, struct meter *meter)
{
    const struct gitlab *gitlab = fetch->gitlab;
    struct download context = { .fd = fd, .meter = meter };
    const struct outcome_sink sink = { .begin = begin_file, .write = write_file, .arg = &context };
    struct artifact_download download = { .url = gitlab->url,
                                          .token = gitlab->token,
                                          .job_id = gitlab->job_id,
                                          .direct = fetch->direct };
    struct certificates certificates;
    struct outcome outcome;

    certificates_find(gitlab, &certificates, &download.tls);
    for (int64_t tries = 0;; tries++) {
        meter_start(meter);
        artifact_http_download(&download, &sink, &outcome);
        meter_end(meter);
        say_outcome(gitlab, &outcome);
        if (outcome.result == OUTCOME_OK)
            return 0;
        if (outcome.result != OUTCOME_RETRY || tries >= fetch->retry.times)
            return say_fatal("%s", outcome.message);
        download.direct = false; /* that way is tried once */
        retry_pause(fetch->retry.pause_ms, NULL, outcome.message);
    }
}
