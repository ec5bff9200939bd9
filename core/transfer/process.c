/* core/transfer/process.c - the transfer process: one exchange of this folder between a stream and GitLab or a
 * store, as its start frame says; tells its end and goes.
 *
 * The main thread carries, the other hears the link: the worker's word about an upload, and the end of the
 * supervisor, which is its own. It holds one job's token or one signed URL. */
#include "core/transfer/process.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/base/fault.h"
#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/landlock.h"
#include "core/base/str.h"
#include "core/transfer/artifact_http.h"
#include "core/transfer/store_http.h"
#include "core/transfer/stream.h"

#define LINK_FD 3
#define STREAM_FD 4
#define SEND_MS 10000
#define FILES_MAX 64
#define MEMORY_MAX                                                                                 \
    (UINT64_C(1024) * 1024 * 1024) /* of addresses: each thread's heap takes 64 MiB */
#define HEADERS_MAX 16

#ifdef FLOTILLA_SANITIZED
static const bool confinable = false;
#else
static const bool confinable = true;
#endif

static const char *const results[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_RETRY] = "retry",
    [OUTCOME_UNAVAILABLE] = "unavailable",
    [OUTCOME_MOVED] = "retry",
    [OUTCOME_NOT_FOUND] = "not_found",
    [OUTCOME_DENIED] = "denied",
    [OUTCOME_TOO_LARGE] = "too_large",
    [OUTCOME_FAILED] = "failed",
};

struct transfer {
    json_t *start;
    struct frame_decoder decoder;
    struct stream stream;
    struct outcome_tls tls;
};

int transfer_confine(const struct outcome_tls *tls)
{
    const char *readable[5];
    const char *const more[] = { tls->ca_file, tls->cert_file, tls->key_file,
                                 getenv("SSL_CERT_FILE"), getenv("SSL_CERT_DIR") };
    struct landlock_rules rules = {
        .readable = readable, .resolver = true, .certificates = true, .any_port = true
    };
    int r = harden_limit(RLIMIT_NOFILE, FILES_MAX);

    if (r < 0 || !confinable)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        if (!str_empty(more[i]))
            readable[rules.n_readable++] = more[i];
    r = harden_limit(RLIMIT_AS, MEMORY_MAX);
    if (r == 0)
        r = harden_drop_capabilities();
    return r == 0 ? landlock_confine(&rules) : r;
}

/* Where there is no supervisor any more, nobody waits for the end. */
static void *hear_link(void *arg)
{
    struct transfer *transfer = arg;

    for (;;) {
        autojson json_t *frame = NULL;
        const char *type = "";
        bool whole = false;

        if (frame_recv(LINK_FD, &transfer->decoder, -1, &frame, NULL) <= 0 ||
            json_need_str(frame, "type", &type, NULL) < 0 || !str_eq(type, "commit") ||
            json_opt_bool(frame, "whole", &whole, NULL) < 0)
            _exit(1);
        stream_tell(&transfer->stream, whole);
    }
}

static int start_hearing(struct transfer *transfer)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, hear_link, transfer);

    return r == 0 ? -pthread_detach(thread) : -r;
}

static void fail(struct outcome *ret, const char *message)
{
    *ret = (struct outcome) { .result = OUTCOME_FAILED };
    (void) str_cut(ret->message, sizeof(ret->message), message);
}

static const char *text(const struct transfer *transfer, const char *key)
{
    const char *value = NULL;

    (void) json_opt_str(transfer->start, key, &value, NULL);
    return value;
}

static int64_t number(const struct transfer *transfer, const char *key)
{
    int64_t value = 0;

    (void) json_opt_i64(transfer->start, key, 0, INT64_MAX, &value, NULL);
    return value;
}

/* What the helper says of the archive, before its bytes. False: there is nothing to carry, or no such
 * line; *ret tells. */
static bool read_head(struct transfer *transfer, json_t **ret_head, struct outcome *ret)
{
    char line[STREAM_LINE_MAX];
    int r = stream_read_line(&transfer->stream, line);

    if (r == 0) {
        *ret = (struct outcome) { .result = OUTCOME_OK };
        (void) str_cut(ret->message, sizeof(ret->message), "there was nothing to send");
        return false;
    }
    if (r > 0 && json_parse(line, strlen(line), ret_head, NULL) == 0 &&
        json_object_is_type(*ret_head, json_type_object))
        return true;
    fail(ret, r < 0 ? transfer->stream.trouble
                    : "the stream from the instance begins with no line of a helper");
    return false;
}

/* It came from the instance. */
static bool name_is_sound(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > 255 || !utf8_valid(name, len))
        return false;
    for (const char *at = name; *at; at++)
        if ((unsigned char) *at < ' ' || *at == 0x7f || *at == '/')
            return false;
    return true;
}

static void upload_artifacts(struct transfer *transfer, struct outcome *ret)
{
    const struct outcome_source source = { .read = stream_read,
                                           .arg = &transfer->stream,
                                           .size = -1 };
    struct artifact_upload upload = {
        .url = text(transfer, "url"),
        .token = text(transfer, "token"),
        .job_id = number(transfer, "job"),
        .format = text(transfer, "format"),
        .type = text(transfer, "artifact_type"),
        .expire_in = text(transfer, "expire_in"),
        .timeout_ms = number(transfer, "timeout_ms"),
        .response_timeout_ms = number(transfer, "response_timeout_ms"),
        .tls = transfer->tls,
    };
    autojson json_t *head = NULL;

    if (!read_head(transfer, &head, ret))
        return;
    if (json_need_str(head, "file_name", &upload.file_name, NULL) < 0 ||
        !name_is_sound(upload.file_name)) {
        fail(ret, "the archive from the instance has no sound file name");
        return;
    }
    EFFECT("transfer_request", artifact_http_upload(&upload, &source, ret));
}

static void download_artifacts(struct transfer *transfer, struct outcome *ret)
{
    const struct outcome_sink sink = { .write = stream_write, .arg = &transfer->stream };
    struct artifact_download download = { .url = text(transfer, "url"),
                                          .token = text(transfer, "token"),
                                          .job_id = number(transfer, "job"),
                                          .tls = transfer->tls };

    (void) json_opt_bool(transfer->start, "direct", &download.direct, NULL);
    EFFECT("transfer_request", artifact_http_download(&download, &sink, ret));
}

/* `headers` has room for HEADERS_MAX. */
static void read_object(const struct transfer *transfer, const char **headers,
                        struct store_object *ret)
{
    json_t *list = NULL;

    *ret = (struct store_object) { .url = text(transfer, "url"), .headers = headers };
    (void) json_opt_array(transfer->start, "headers", &list, NULL);
    for (size_t i = 0; list && i < json_object_array_length(list) && i < HEADERS_MAX; i++)
        headers[ret->n_headers++] = json_object_get_string(json_object_array_get_idx(list, i));
}

static void upload_cache(struct transfer *transfer, struct outcome *ret)
{
    const char *headers[HEADERS_MAX];
    int64_t limit = number(transfer, "max_bytes");
    struct outcome_source source = { .read = stream_read, .arg = &transfer->stream };
    autojson json_t *head = NULL;
    struct store_object object;

    if (!read_head(transfer, &head, ret))
        return;
    read_object(transfer, headers, &object);
    if (json_need_i64(head, "size", 1, INT64_MAX, &source.size, NULL) < 0 ||
        json_opt_i64(head, "modified", 0, INT64_MAX, &object.modified_s, NULL) < 0) {
        fail(ret, "the archive from the instance has no size");
        return;
    }
    if (limit > 0 && source.size > limit) {
        fail(ret, "");
        ret->result = OUTCOME_TOO_LARGE;
        (void) snprintf(ret->message, sizeof(ret->message),
                        "the archive has %lld bytes, the limit is %lld", (long long) source.size,
                        (long long) limit);
        return;
    }
    transfer->stream.size = source.size;
    EFFECT("transfer_request", store_http_put(&object, &source, ret));
}

static void download_cache(struct transfer *transfer, struct outcome *ret)
{
    const char *headers[HEADERS_MAX];
    const struct outcome_sink sink = { .write = stream_write, .arg = &transfer->stream };
    struct store_object object;

    read_object(transfer, headers, &object);
    EFFECT("transfer_request", store_http_get(&object, &sink, ret));
}

static void carry(struct transfer *transfer, struct outcome *ret)
{
    static const struct {
        const char *kind;
        void (*carry)(struct transfer *transfer, struct outcome *ret);
    } kinds[] = {
        { "artifact_upload", upload_artifacts },
        { "artifact_download", download_artifacts },
        { "cache_upload", upload_cache },
        { "cache_download", download_cache },
    };
    const char *kind = text(transfer, "kind");

    fail(ret, "the transfer process does not know what to carry");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(kind, kinds[i].kind))
            kinds[i].carry(transfer, ret);
    /* What went wrong on this side explains more than what that made of the exchange. */
    if (transfer->stream.trouble && ret->result != OUTCOME_OK)
        fail(ret, transfer->stream.trouble);
}

static int tell_end(const struct outcome *outcome)
{
    autojson json_t *end = json_frame("end");

    (void) json_add_str(end, "result", results[outcome->result]);
    (void) json_add_i64(end, "status", outcome->status);
    (void) json_add_str(end, "status_line", outcome->status_line);
    (void) json_add_str(end, "request_id", outcome->request_id);
    (void) json_add_str(end, "message", outcome->message);
    if (outcome->result == OUTCOME_MOVED)
        (void) json_add_str(end, "base_url", outcome->base_url);
    return frame_send(LINK_FD, end, FRAME_MAX_LINK, SEND_MS, NULL) < 0 ? 1 : 0;
}

/* Before it is known what there is to do. */
static int prepare(struct transfer *transfer)
{
    int r;

    (void) prctl(PR_SET_NAME, "flotilla-xfer");
    (void) signal(SIGPIPE, SIG_IGN);
    (void) setpgid(0, 0); /* a terminal's interrupt is for the supervisor */
    r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : harden_process();
    if (r == 0)
        r = fs_set_cloexec(LINK_FD);
    if (r == 0)
        r = fs_set_cloexec(STREAM_FD);
    frame_decoder_init(&transfer->decoder, FRAME_MAX_LINK);
    stream_init(&transfer->stream, STREAM_FD);
    return r;
}

int transfer_main(void)
{
    static struct transfer transfer;
    struct outcome outcome;

    if (prepare(&transfer) < 0)
        return 125;
    if (frame_recv(LINK_FD, &transfer.decoder, -1, &transfer.start, NULL) <= 0)
        return 1; /* the supervisor went before it said anything */
    transfer.tls = (struct outcome_tls) { .ca_file = text(&transfer, "tls_ca_file"),
                                          .cert_file = text(&transfer, "tls_cert_file"),
                                          .key_file = text(&transfer, "tls_key_file") };
    if (transfer_confine(&transfer.tls) < 0 || start_hearing(&transfer) < 0 ||
        curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 125;
    carry(&transfer, &outcome);
    (void) shutdown(STREAM_FD, SHUT_RDWR);
    return tell_end(&outcome);
}
