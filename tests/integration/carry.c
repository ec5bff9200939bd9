/* tests/integration/carry.c - one exchange of core/transfer, for tests/integration/test_transfer.py.
 *
 * Usage: carry JSON. The object says what (`do`) and how; the outcome is printed as one. The body of an
 * upload is `file`, read in pieces; that of a download goes to `file`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/transfer/artifact_http.h"
#include "core/transfer/store_http.h"

static json_t *order;
static int file = -1;
static int64_t give_up_at = -1, carried, told_size = -2, told_modified;
static bool unwanted;

static const char *text_of(const char *key)
{
    const char *value = NULL;

    (void) json_opt_str(order, key, &value, NULL);
    return value;
}

static int64_t number_of(const char *key, int64_t value)
{
    (void) json_opt_i64(order, key, INT64_MIN, INT64_MAX, &value, NULL);
    return value;
}

static bool flag_of(const char *key)
{
    bool value = false;

    (void) json_opt_bool(order, key, &value, NULL);
    return value;
}

static int64_t read_file(void *arg, void *data, size_t size)
{
    (void) arg;
    if (give_up_at >= 0 && carried >= give_up_at)
        return -EIO;
    size = MIN(size, 1000);
    carried += (int64_t) size;
    return read(file, data, size);
}

static int rewind_file(void *arg)
{
    (void) arg;
    return lseek(file, 0, SEEK_SET) == 0 ? 0 : -errno;
}

static int begin_file(void *arg, int64_t size, int64_t modified_s)
{
    (void) arg;
    told_size = size;
    told_modified = modified_s;
    return unwanted ? 1 : 0;
}

static int write_file(void *arg, const void *data, size_t len)
{
    (void) arg;
    if (give_up_at >= 0 && carried >= give_up_at)
        return -EIO;
    carried += (int64_t) len;
    return fs_write_all(file, data, len);
}

static struct outcome_source source_of(void)
{
    struct outcome_source source = { .read = read_file, .size = number_of("size", -1) };

    if (!flag_of("once"))
        source.rewind = rewind_file;
    return source;
}

static struct outcome_tls tls_of(void)
{
    return (struct outcome_tls) { .ca_file = text_of("ca_file"),
                                  .cert_file = text_of("cert_file"),
                                  .key_file = text_of("key_file") };
}

static void show_answer(const char *headers, const char *body)
{
    (void) fprintf(stderr, "%s%s", headers, body);
}

static void carry_artifacts(bool up, struct outcome *outcome)
{
    struct artifact_upload upload = { .url = text_of("url"),
                                      .token = text_of("token"),
                                      .job_id = number_of("job", 1),
                                      .file_name = text_of("file_name"),
                                      .format = text_of("format"),
                                      .type = text_of("type"),
                                      .expire_in = text_of("expire_in"),
                                      .timeout_ms = number_of("timeout_ms", 0),
                                      .response_timeout_ms = number_of("response_timeout_ms", 0),
                                      .tls = tls_of(),
                                      .debug = flag_of("debug") ? show_answer : NULL };
    struct artifact_download download = { .url = upload.url,
                                          .token = upload.token,
                                          .job_id = upload.job_id,
                                          .direct = flag_of("direct"),
                                          .tls = tls_of() };
    struct outcome_source source = source_of();
    struct outcome_sink sink = { begin_file, write_file, NULL };

    if (up)
        artifact_http_upload(&upload, &source, outcome);
    else
        artifact_http_download(&download, &sink, outcome);
}

static void carry_object(const char *method, struct outcome *outcome)
{
    const char *headers[16];
    struct store_object object = { .url = text_of("url"),
                                   .headers = headers,
                                   .timeout_ms = number_of("timeout_ms", 0),
                                   .modified_s = number_of("modified", 0) };
    struct outcome_source source = source_of();
    struct outcome_sink sink = { begin_file, write_file, NULL };
    json_t *list = NULL;

    (void) json_opt_array(order, "headers", &list, NULL);
    for (size_t i = 0; list && i < json_object_array_length(list) && i < ARRAY_LEN(headers); i++)
        headers[object.n_headers++] = json_object_get_string(json_object_array_get_idx(list, i));
    if (str_eq(method, "put"))
        store_http_put(&object, &source, outcome);
    else if (str_eq(method, "head"))
        store_http_head(&object, outcome);
    else
        store_http_get(&object, &sink, outcome);
}

static void print(const struct outcome *outcome)
{
    static const char *const names[] = { "ok",        "retry",  "unavailable", "moved",
                                         "not_found", "denied", "too_large",   "failed" };
    autojson json_t *line = json_object_new_object();

    (void) json_add_str(line, "result", names[outcome->result]);
    (void) json_add_i64(line, "status", outcome->status);
    (void) json_add_str(line, "status_line", outcome->status_line);
    (void) json_add_str(line, "host", outcome->host);
    (void) json_add_str(line, "request_id", outcome->request_id);
    (void) json_add_str(line, "message", outcome->message);
    (void) json_add_str(line, "base_url", outcome->base_url);
    (void) json_add_i64(line, "bytes", outcome->bytes);
    (void) json_add_i64(line, "modified", outcome->modified_s);
    (void) json_add_i64(line, "told_size", told_size);
    (void) json_add_i64(line, "told_modified", told_modified);
    (void) printf("%s\n", json_text(line));
}

int main(int argc, char **argv)
{
    struct outcome outcome = { 0 };
    struct error err = { 0 };
    const char *what;

    if (argc != 2 || json_parse(argv[1], strlen(argv[1]), &order, &err) < 0)
        return 2;
    what = text_of("do");
    give_up_at = number_of("give_up_at", -1);
    unwanted = flag_of("unwanted");
    if (text_of("file"))
        file = open(text_of("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (str_eq(what, "upload") || str_eq(what, "download"))
        carry_artifacts(str_eq(what, "upload"), &outcome);
    else
        carry_object(what, &outcome);
    print(&outcome);
    json_object_put(order);
    (void) close(file);
    return 0;
}
